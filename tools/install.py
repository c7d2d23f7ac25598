"""Build a virtual environment with this package in it, and show how far it is.

Usage: python tools/install.py FOLDER LOCK EXTRAS [REQUIREMENT …]

LOCK lists versions; beside it may lie one for this version of Python (LOCK-python3.10.txt). A REQUIREMENT is
installed without its dependencies. Nothing is done where the same has been installed before.
"""

from __future__ import annotations

import subprocess
import sys
import time
import venv
from pathlib import Path

PROJECT = Path(__file__).parents[1]
SHOW_EVERY = 5.0  # seconds


def main(folder: Path, lock: Path, extras: str, alone: list[str]) -> int:
    """Install what is not installed yet."""
    special = lock.with_name(f"{lock.stem}-python{sys.version_info[0]}.{sys.version_info[1]}.txt")
    lock = special if special.exists() else lock
    stamp = folder / f"installed-{extras}"
    inputs = "\n".join([(PROJECT / "pyproject.toml").read_text(), lock.read_text(), *alone])
    if stamp.is_file() and stamp.read_text() == inputs:
        return 0
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    status = run(
        [*command, "-c", str(lock), "-e", f"{PROJECT}[{extras}]"], folder, total=len(lock.read_text().split())
    )
    if not status and alone:
        status = run([*command, "--no-deps", *alone], folder, len(alone))
    if not status:
        stamp.write_text(inputs)
    return status


def run(command: list[str], folder: Path, total: int) -> int:
    """Run pip, say now and then what it has found, and show all it said if it fails."""
    said: list[str] = []
    start = shown = time.monotonic()
    print(f"Installing up to {total} packages into {folder.relative_to(PROJECT)} …", flush=True)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as pip:
        for line in pip.stdout or ():
            said.append(line)
            now = time.monotonic()
            if now - shown >= SHOW_EVERY or line.startswith("Installing collected"):
                found = sum(one.startswith("Collecting") for one in said)
                doing = "unpacking" if line.startswith("Installing collected") else f"{found} found"
                print(f"  {now - start:3.0f} s: {doing}", flush=True)
                shown = now
    if pip.returncode:
        print("".join(said))
    else:
        print(f"  {time.monotonic() - start:3.0f} s: done", flush=True)
    return pip.returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve(), sys.argv[3], sys.argv[4:]))
