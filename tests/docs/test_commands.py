"""What the pages tell people to type exists, and what they show as JSON is JSON."""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path
from typing import Any

import pytest
from pages import PAGES, PROJECT, blocks, commands, name

from airflow_provider_ee.emulator import EarthEngineEmulator
from airflow_provider_ee.emulator.cli import _parser
from airflow_provider_ee.provider_info import CONNECTION_FIELDS

TARGETS = set(re.findall(r"^([a-z0-9.-]+):.*##", (PROJECT / "Makefile").read_text(), re.MULTILINE))


def lines(first: str) -> list[list[str]]:
    return [words for page in PAGES for words in commands(page) if words[0] == first]


def test_make_has_the_targets_that_pages_name() -> None:
    typed = {words[1] for words in lines("make")}
    told = {target for page in PAGES for target in re.findall(r"`make ([\w.-]+)`", page.read_text())}
    assert {"demo", "test", "docs"} <= typed
    assert (typed | told) - TARGETS == set()


def test_the_emulator_takes_the_commands_that_pages_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "catalog").mkdir()
    typed = lines("ee-emulator")
    assert {words[1] for words in typed} == {"sample", "serve"}
    for words in typed:
        assert _parser().parse_args(words[1:]).run


def airflow_commands() -> dict[str, Any]:
    """The commands of Airflow: the words of each -> its parser."""
    from airflow.cli import cli_parser

    def walk(parser: argparse.ArgumentParser, words: tuple[str, ...]) -> None:
        found[words] = parser
        for action in parser._actions:
            if isinstance(action, argparse._SubParsersAction):
                for word, sub in action.choices.items():
                    walk(sub, (*words, word))

    found: dict[tuple[str, ...], Any] = {}
    walk(cli_parser.get_parser(), ())
    return {" ".join(words): parser for words, parser in found.items()}


def test_airflow_takes_the_commands_that_pages_name() -> None:
    typed, known = lines("airflow"), airflow_commands()
    assert len(typed) > 3
    for words in typed:
        command = " ".join(words[1:3])
        assert command in known, words
        options = {option for action in known[command]._actions for option in action.option_strings}
        assert {word for word in words if word.startswith("--")} <= options, words


def test_pip_installs_extras_that_there_are() -> None:
    project = (PROJECT / "pyproject.toml").read_text()
    optional = project.partition("[project.optional-dependencies]")[2].partition("\n[project.scripts]")[0]
    extras = set(re.findall(r"^([\w-]+) = \[", optional, re.MULTILINE))
    text = "".join(page.read_text() for page in PAGES)
    named = {extra for group in re.findall(r"airflow-provider-ee\[([\w,]+)\]", text) for extra in group.split(",")}
    assert {"ee", "emulator"} <= named <= extras


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "json")], ids=name)
def test_json_is_json_and_names_fields_of_the_connection(page: Path) -> None:
    for block in blocks(page, "json"):
        shown = json.loads(block.text)
        assert set(shown) == {"conn_type", "extra"}
        assert set(shown["extra"]) <= set(CONNECTION_FIELDS)


def test_a_connection_in_the_environment_is_json() -> None:
    found = [one for page in PAGES for one in re.findall(r"AIRFLOW_CONN_\w+='([^']+)'", page.read_text())]
    assert found
    for text in found:
        assert set(json.loads(text)["extra"]) <= set(CONNECTION_FIELDS)


def test_settings_of_airflow_that_pages_name_exist() -> None:
    from airflow.configuration import conf

    text = "".join(page.read_text() for page in PAGES)
    named = set(re.findall(r"`\[(\w+)\] (\w+)(?: = \w+)?`", text))
    assert ("operators", "default_deferrable") in named
    renamed = {("triggerer", "capacity"): "default_capacity"}  # on Airflow 2
    for section, option in named:
        names = (option, renamed.get((section, option), option))
        assert any(conf.has_option(section, one) for one in names), (section, option)


def test_the_control_of_the_emulator_is_told_whole() -> None:
    from airflow_provider_ee.emulator.control import BehaviourBody
    from airflow_provider_ee.emulator.faults import Fault

    page = (PROJECT / "docs" / "reference" / "emulator.md").read_text()
    for title, body in (("A fault", Fault), ("How operations behave", BehaviourBody)):
        section = page.partition(f"### {title}\n")[2].partition("\n### ")[0]
        cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
        assert {word for cell in cells for word in re.findall(r"`(\w+)`", cell)} == set(body.model_fields)


def test_every_route_of_the_control_is_told(emulator: EarthEngineEmulator) -> None:
    from airflow_provider_ee.emulator.app import Front
    from airflow_provider_ee.emulator.control import control_routes

    page = (PROJECT / "docs" / "reference" / "emulator.md").read_text()
    told = set(re.findall(r"`([A-Z]+) (/_emulator/\w+)`", page))
    routes: Any = control_routes(Front(emulator.service, emulator.faults, {})).routes
    assert told == {(method, route.path) for route in routes for method in route.methods}
