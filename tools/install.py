"""Build a virtual environment with this package in it, and show how far it is.

Usage: python tools/install.py FOLDER LOCK EXTRAS [REQUIREMENT …]

LOCK lists versions; beside it may lie one for this version of Python (LOCK-python3.10.txt). A REQUIREMENT is
installed without its dependencies. Nothing is done where the same has been installed before. uv does it in a
fraction of pip's time; where it cannot be had, or knows less than pip does, pip does it.
"""

from __future__ import annotations

import subprocess
import sys
import time
import venv
from pathlib import Path

PROJECT = Path(__file__).parents[1]
UV = "uv==0.13.9"
SHOW_EVERY = 5.0  # seconds


def main(folder: Path, lock: Path, extras: str, alone: list[str]) -> int:
    """Install what is not installed yet."""
    lock = fitting(lock)
    stamp = folder / f"installed-{extras}"
    inputs = "\n".join([(PROJECT / "pyproject.toml").read_text(), lock.read_text(), *alone])
    if stamp.is_file() and stamp.read_text() == inputs:
        return 0
    if not (folder / "bin" / "python").exists():
        venv.create(folder, symlinks=True)
    count = len(lock.read_text().split())
    print(f"Installing up to {count} packages into {folder.relative_to(PROJECT)} …", flush=True)
    status = install(folder, "-c", str(lock), "-e", f"{PROJECT}[{extras}]")
    if not status and alone:
        status = install(folder, "--no-deps", *alone)
    if not status:
        stamp.write_text(inputs)
    return status


def fitting(lock: Path) -> Path:
    """The lock for this version of Python, if there is one beside it."""
    special = lock.with_name(f"{lock.stem}-python{sys.version_info[0]}.{sys.version_info[1]}.txt")
    return special if special.exists() else lock


def install(folder: Path, *what: str) -> int:
    """Install into the environment by uv, or else by pip; returns 0 where that has worked."""
    python = str(folder / "bin" / "python")
    uv = find_uv()
    if uv and not run([uv, "pip", "install", "--compile-bytecode", "--python", python, *what]):
        return 0
    run([python, "-m", "ensurepip", "--default-pip"])
    return run([python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", *what])


def find_uv() -> str | None:
    """The path of uv, in an environment of its own."""
    if pip_has_its_own_index():
        return None
    folder = PROJECT / ".build" / UV
    uv = folder / "bin" / "uv"
    if not uv.exists():
        venv.create(folder, symlinks=True, with_pip=True)
        command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", "--only-binary", ":all:", UV]
        if run([*command, "--disable-pip-version-check", "--no-input"]):
            return None
    return str(uv)


def pip_has_its_own_index() -> bool:
    """Whether pip has been told where packages come from, which uv does not know."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    names = {line.partition("=")[0].rpartition(".")[2] for line in told.stdout.splitlines()}
    return bool(names & {"index-url", "no-index"})


def run(command: list[str]) -> int:
    """Run a command, say now and then where it is, and show all it said if it fails."""
    said: list[str] = []
    start = shown = time.monotonic()
    name = "pip" if "-m" in command else "uv"
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        for line in process.stdout or ():
            said.append(line)
            now = time.monotonic()
            if now - shown >= SHOW_EVERY:
                print(f"  {now - start:3.0f} s: {line.strip()[:80]}", flush=True)
                shown = now
    if process.returncode:
        print("".join(said))
    how = "failed" if process.returncode else "is done"
    print(f"  {time.monotonic() - start:3.0f} s: {name} {how}", flush=True)
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3], sys.argv[4:]))
