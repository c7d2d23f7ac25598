"""What `make docs` adds to the pages in docs/: files that lie beside it, and tables made of what the code says.

MkDocs calls the functions by their names. A page reads well in a repository browser too, so it links to files
where they lie (``../example_dags/example_ee_daily_ndvi.py``); on the site these are pages below ``repository/``.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import posixpath
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File

PROJECT = Path(__file__).parents[1]
BESIDE = "repository"
"""Folder of the site for what lies outside of docs/."""

BESIDE_PATTERNS = ("*.md", "benchmarks/results/*", "example_dags/*.py", "example_dags/*.json")
_LINK = re.compile(r"(\[(?:[^\]\[]|\[[^\]]*\])*\]\()([^)\s#]+)(#[^)\s]*)?\)")
_CODE = re.compile(r"(^```.*?^```$)", re.DOTALL | re.MULTILINE)
_FOREIGN = re.compile(r'<(?:script|link|img|iframe)[^>]+(?:src|href)="(?:https?:)?//[^"]+"')


def on_files(files: Any, config: Any) -> Any:
    """Add what lies beside docs/."""
    for pattern in BESIDE_PATTERNS:
        for path in sorted(PROJECT.glob(pattern)):
            place = _place(path)
            if path.suffix in (".md", ".py", ".json"):
                files.append(File.generated(config, place, content=_as_page(path)))
            else:
                files.append(File.generated(config, place, abs_src_path=str(path)))
    files.append(File.generated(config, f"{BESIDE}/example_dags/index.md", content=_examples()))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    """Put tables in, and lead links to where files are on the site."""
    for name, table in TABLES.items():
        mark = f"<!-- table: {name} -->"
        if mark in markdown:
            markdown = markdown.replace(mark, "\n".join(table()))
    markdown = markdown.replace("<details>", '<details markdown="1">')  # else a table in it is text
    here = page.file.src_uri
    parts = _CODE.split(markdown)  # every other one is code
    parts[::2] = [_LINK.sub(lambda found: _led(found, here, files), part) for part in parts[::2]]
    return "".join(parts)


def on_post_build(config: Any) -> None:
    """Refuse a site that loads anything from elsewhere."""
    for path in Path(config["site_dir"]).rglob("*.html"):
        foreign = [one for one in _FOREIGN.findall(path.read_text()) if 'rel="canonical"' not in one]
        if foreign:
            raise PluginError(f"{path.name} loads something from another host: {foreign[0]}")


def _place(path: Path) -> str:
    """Where a file of the repository lies on the site."""
    inside = path.relative_to(PROJECT).as_posix()
    if inside.startswith("docs/"):
        return inside.removeprefix("docs/")
    return f"{BESIDE}/{inside}" + (".md" if path.suffix in (".py", ".json") else "")


def _origin(place: str) -> str:
    """Where a page of the site lies in the repository."""
    if place.startswith(f"{BESIDE}/"):
        return place.removeprefix(f"{BESIDE}/")
    return f"docs/{place}"


def _led(found: re.Match[str], here: str, files: Any) -> str:
    """A link as it must be on the site; only its text, where the site has no such page."""
    start, target, anchor = found[1], found[2], found[3] or ""
    if re.match(r"[a-z]+:", target):
        return found[0]
    path = posixpath.normpath(posixpath.join(posixpath.dirname(_origin(here)), target))
    place = _place(PROJECT / path)
    if path.rstrip("/") == "example_dags":
        place = f"{BESIDE}/example_dags/index.md"
    if files.get_file_from_path(place) is None:
        if (PROJECT / path).exists() and not path.startswith("docs/"):
            return start.removeprefix("[").removesuffix("](")
        return found[0]  # MkDocs says that it leads nowhere
    return f"{start}{posixpath.relpath(place, posixpath.dirname(here))}{anchor})"


def _as_page(path: Path) -> str:
    text = path.read_text()
    if path.suffix == ".md":
        return text
    language = path.suffix.removeprefix(".")
    return f"# {path.name}\n\n```{language}\n{text}```\n"


def _examples() -> str:
    rows = [
        f"| [`{path.stem}`]({path.name}.md) | {_first_line(path)} |"
        for path in sorted((PROJECT / "example_dags").glob("*.py"))
    ]
    return "\n".join(["# Examples", "", "Each runs as it is.", "", "| | |", "|---|---|", *rows])


def _first_line(path: Path) -> str:
    return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]


def connection_fields() -> Iterator[str]:
    """The fields of a connection."""
    fields = _module("provider_info").CONNECTION_FIELDS
    yield "| field | in the form | type | default | |"
    yield "|---|---|---|---|---|"
    for name, field in fields.items():
        schema = field["schema"]
        kinds = [kind for kind in _listed(schema["type"]) if kind != "null"]
        default = f"`{schema['default']}`" if "default" in schema else ""
        yield f"| `{name}` | {field['label']} | {', '.join(kinds)} | {default} | {field['description']} |"


def emulator_options() -> Iterator[str]:
    """The options of ``ee-emulator serve``."""
    parser = _module("emulator.cli")._parser()
    commands = next(one for one in parser._actions if isinstance(one, argparse._SubParsersAction))
    yield "| option | default | |"
    yield "|---|---|---|"
    for action in commands.choices["serve"]._actions:
        if isinstance(action, argparse._HelpAction):
            continue
        value = f" {action.metavar or action.dest.upper()}"
        default = "" if action.default in (None, []) else f"`{action.default}`"
        text = (action.help or "").replace(" (default: %(default)s)", "")
        yield f"| `{action.option_strings[0]}{value}` | {default} | {text}{'; required' * action.required} |"


TABLES = {"connection fields": connection_fields, "emulator options": emulator_options}


def _listed(given: Any) -> list[Any]:
    return given if isinstance(given, list) else [given]


def _module(name: str) -> Any:
    """A module of the package that loads nothing but Python's own library."""
    sys.path.insert(0, str(PROJECT))
    try:
        return importlib.import_module(f"airflow_provider_ee.{name}")
    finally:
        sys.path.remove(str(PROJECT))
