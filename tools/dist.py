"""Build what is released, and try it as those who install it would.

Usage: python tools/dist.py FOLDER LOCK (run by `make dist`; the files are left in dist/)
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

from install import PROJECT, fitting, install

PACKAGE = PROJECT / "airflow_provider_ee"
DIST = PROJECT / "dist"
SMOKE = Path(__file__).with_name("dist_smoke.py")
METADATA = ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
BESIDE = ("CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "README.md", "docs", "example_dags", "tests")


def main(folder: Path, lock: Path) -> int:
    """Build, look, install, try; returns 0 where all is well."""
    for old in (folder, DIST):
        shutil.rmtree(old, ignore_errors=True)
    venv.create(folder / "tools", symlinks=True)
    tools = put(folder / "tools", "-r", str(PROJECT / "requirements" / "dist.txt"))
    # The wheel is built from the sdist.
    must([str(tools), "-m", "build", "--no-isolation", "--outdir", str(DIST), str(PROJECT)])
    (sdist,), (wheel,) = DIST.glob("*.tar.gz"), DIST.glob("*.whl")
    must([str(tools), "-m", "twine", "check", "--strict", str(sdist), str(wheel)])
    if faults := [*faults_of_wheel(wheel), *faults_of_sdist(sdist)]:
        sys.exit("\n".join(faults))
    alone = folder / "alone"
    venv.create(alone, symlinks=True)
    for extras in ("", "[emulator]"):
        put(alone, "-c", str(fitting(lock)), f"{wheel}{extras}")
        print(f"Trying {wheel.name}{extras} …", flush=True)
        must([str(alone / "bin" / "python"), "-I", str(SMOKE), extras], cwd=folder)
    print(f"{sdist.name} and {wheel.name} are in {DIST.relative_to(PROJECT)}/")
    return 0


def put(folder: Path, *what: str) -> Path:
    """Install into an environment, and return its Python."""
    if install(folder, *what):
        sys.exit(f"{what[-1]} could not be installed.")
    return folder / "bin" / "python"


def must(command: list[str], cwd: Path = PROJECT) -> None:
    """Run a command, and end where it fails."""
    if status := subprocess.run(command, cwd=cwd, check=False).returncode:
        sys.exit(status)


def faults_of_wheel(wheel: Path) -> Iterator[str]:
    """A sentence for each file that is missing or does not belong there."""
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    metadata = "-".join(wheel.name.split("-")[:2]) + ".dist-info"
    wanted = {str(path.relative_to(PROJECT)) for path in files(PACKAGE)}
    wanted |= {
        f"{metadata}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")
    }
    yield from (f"The wheel lacks {name}." for name in sorted(wanted - names))
    yield from (f"The wheel holds {name}, which is not for users." for name in sorted(names - wanted))


def faults_of_sdist(sdist: Path) -> Iterator[str]:
    """A sentence for each file that is missing."""
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    wanted = {
        str(path.relative_to(PROJECT))
        for name in (*BESIDE, PACKAGE.name)
        for path in (files(PROJECT / name) if (PROJECT / name).is_dir() else [PROJECT / name])
    }
    yield from (f"The sdist lacks {name}." for name in sorted(wanted - names))


def files(folder: Path) -> list[Path]:
    """Those of a folder that git would keep."""
    command = ["git", "-C", str(PROJECT), "ls-files", "--cached", "--others", "--exclude-standard", str(folder)]
    listed = subprocess.run(command, capture_output=True, text=True, check=True)
    return [path for line in listed.stdout.splitlines() if (path := PROJECT / line).is_file()]


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()))
