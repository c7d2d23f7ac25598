"""What runs the checks, on each change and in CI, names what there is."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from house import LINES, too_long

PROJECT = Path(__file__).parents[2]
MAKEFILE = (PROJECT / "Makefile").read_text()
TARGETS = {
    name
    for line in MAKEFILE.splitlines()
    if (found := re.match(r"([a-z0-9. -]+):(?!=)", line))
    for name in found[1].split()
}


def read_yaml(path: str) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((PROJECT / path).read_text())
    return content


def jobs() -> dict[str, dict[str, Any]]:
    jobs: dict[str, dict[str, Any]] = read_yaml(".github/workflows/ci.yml")["jobs"]
    return jobs


def called(job: dict[str, Any]) -> set[str]:
    """The targets that a job of the workflow makes."""
    matrix = job["strategy"]["matrix"]
    (command,) = [step["run"] for step in job["steps"] if step.get("run", "").startswith("make ")]
    assert command.startswith("make ${{ matrix.target }}")
    return set(matrix.get("target") or [each["target"] for each in matrix["include"]])


def stages() -> set[str]:
    """The targets that `.ci/run` makes."""
    script = (PROJECT / ".ci" / "run").read_text()
    return set(re.findall(r"^(?:\w+=.* )?stage ([\w.-]+)$", script, re.MULTILINE))


def test_each_stage_is_a_target() -> None:
    assert len(stages()) > 10
    assert stages() <= TARGETS


def test_the_workflow_makes_what_ci_makes() -> None:
    made = set().union(*map(called, jobs().values()))
    assert made <= TARGETS
    assert stages() <= made


def test_the_workflow_tests_each_python_on_each_airflow() -> None:
    matrix = jobs()["tests"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.10", "3.11", "3.12", "3.13"]
    assert matrix["airflow"] == ["2.11", "3.0", "3.1", "3.2", "3.3"]
    assert {each["airflow"] for each in matrix["include"]} == set(matrix["airflow"])
    assert {each["python"] for each in matrix["exclude"]} == {"3.13"}


def test_the_hooks_run_what_lint_runs() -> None:
    recipe = MAKEFILE[MAKEFILE.index("\nlint:") :].split("\n\n")[0].replace("$(AIRFLOW3)", ".build/airflow3")
    (local,) = read_yaml(".pre-commit-config.yaml")["repos"]
    programs = [" ".join(hook["entry"].split()[:2]).removesuffix(" --force-exclude") for hook in local["hooks"]]
    assert len(programs) == 5
    for program in programs:
        assert program.removesuffix(" --cache-dir") in recipe


def test_a_file_that_is_too_long_is_named(tmp_path: Path) -> None:
    package = tmp_path / "package"
    package.mkdir()
    (package / "short.py").write_text("x = 1\n" * LINES)
    assert too_long(package) == []
    (package / "long.py").write_text("x = 1\n" * (LINES + 1))
    (sentence,) = too_long(package)
    assert sentence.startswith("package/long.py has 501 lines; 500 is the most")


def test_each_lock_that_a_target_names_is_there() -> None:
    names = set(re.findall(r"requirements/([\w.]+\.txt)", MAKEFILE))
    names |= {f"airflow{version}.txt" for version in ("3.0", "3.1", "3.2")}
    assert len(names) > 5
    assert [name for name in sorted(names) if not (PROJECT / "requirements" / name).is_file()] == []
