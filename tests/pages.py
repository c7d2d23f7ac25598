"""The README and the pages of the documentation, and the blocks of code in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).parents[1]
PAGES = [PROJECT / "README.md", *sorted((PROJECT / "docs").rglob("*.md"))]

_BLOCK = re.compile(
    r"(?:<!-- not run: (?P<reason>[^>]+) -->\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<text>.*?)^(?P=indent)```$",
    re.DOTALL | re.MULTILINE,
)
_INDENTED = re.compile(r"(?:^ {4}\S.*\n(?: {4}.*\n)*)", re.MULTILINE)
_HEADING = re.compile(r"^(#+) (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A block of code."""

    language: str
    text: str
    not_run: str
    """Why it is not run; empty where it is."""


def blocks(page: Path, language: str) -> list[Block]:
    """The blocks of a language, in order."""
    found = (Block(one["language"], one["text"], one["reason"] or "") for one in _BLOCK.finditer(page.read_text()))
    return [block for block in found if block.language == language]


def commands(page: Path) -> Iterator[list[str]]:
    """The lines of commands: what is indented by four spaces, or stands in a block of a shell."""
    text = page.read_text()
    shells = [block.text for language in ("bash", "console", "sh", "shell") for block in blocks(page, language)]
    for part in [*_INDENTED.findall(_BLOCK.sub("", text)), *shells]:
        for line in part.splitlines():
            words = line.partition(" # ")[0].split()
            if words:
                yield words


def headings(page: Path) -> list[tuple[int, str]]:
    """Level and text of each heading."""
    return [(len(marks), text) for marks, text in _HEADING.findall(_BLOCK.sub("", page.read_text()))]


def name(page: Path) -> str:
    """The path of a page, from the top of the repository."""
    return page.relative_to(PROJECT).as_posix()
