"""What must work where nothing but the wheel is installed. Run by tools/dist.py, away from the checkout.

Usage: python -I dist_smoke.py [EXTRAS]
"""

from __future__ import annotations

import json
import os
import pkgutil
import re
import subprocess
import sys
import tempfile
from importlib import import_module
from importlib.metadata import EntryPoint, distribution
from pathlib import Path
from urllib.request import urlopen

NAME = "airflow-provider-ee"
# What these stand on comes with an extra of the same meaning, or with pytest.
WITH_EXTRAS = ("emulator", "testing", "lineage")
BIN = Path(sys.executable).parent


def main(extras: str) -> None:
    """Say what works; the first thing that does not is an error."""
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="airflow-home-")
    if extras:
        serves_a_sample()
        return
    modules_load()
    entry_points_load()
    airflow_knows_the_provider()
    a_task_is_built()
    the_emulator_says_what_is_missing()


def modules_load() -> None:
    """Each module that needs no extra."""
    import airflow_provider_ee

    assert (Path(airflow_provider_ee.__file__).parent / "py.typed").is_file()
    assert "site-packages" in airflow_provider_ee.__file__, airflow_provider_ee.__file__
    modules = pkgutil.walk_packages(airflow_provider_ee.__path__, "airflow_provider_ee.", onerror=lambda _: None)
    names = [module.name for module in modules if module.name.split(".")[1] not in WITH_EXTRAS]
    assert len(names) > 40, names
    for name in names:
        import_module(name)
    print(f"  {len(names)} modules load without extras")


def entry_points_load() -> None:
    """Each entry point; what is missing is not ours."""
    points = distribution(NAME).entry_points
    assert {"ee-emulator", "provider_info"} <= {point.name for point in points}
    missing = {point.name: missing_for(point) for point in points}
    assert not any(name.startswith("airflow_provider_ee") for name in missing.values()), missing
    print(f"  {len(points)} entry points lead somewhere")


def missing_for(point: EntryPoint) -> str:
    """The name of the module that it cannot be loaded for, or nothing."""
    try:
        point.load()
    except ModuleNotFoundError as error:
        return error.name or ""
    return ""


def airflow_knows_the_provider() -> None:
    """``airflow providers get``."""
    told = run("airflow", "providers", "get", NAME, "--output", "json")
    assert told.returncode == 0, told.stderr
    (provider,) = json.loads(told.stdout[told.stdout.index("[") :])
    assert distribution(NAME).version in json.dumps(provider), provider
    print(f"  Airflow knows {NAME} {distribution(NAME).version}")


def a_task_is_built() -> None:
    """An operator, a sensor and a decorated task, in a DAG."""
    from airflow.providers.common.compat.sdk import DAG, task

    from airflow_provider_ee.earthengine.grid import PixelGrid
    from airflow_provider_ee.operators.export import EEImageExportOperator
    from airflow_provider_ee.sensors.operation import EEOperationSensor

    with DAG("smoke", schedule=None) as dag:
        grid = PixelGrid.from_bounds("EPSG:32719", 10, (600_000, 4_698_020, 603_000, 4_700_020))
        export = EEImageExportOperator(
            task_id="export", expression="ndvi.json", grid=grid, destination="gs://bucket/ndvi/{{ ds }}"
        )
        EEOperationSensor(task_id="wait", operation=export.output)

        @task.ee_export(destination="gs://bucket/{{ ds }}")
        def decorated() -> None: ...

        decorated()
    assert sorted(dag.task_ids) == ["decorated", "export", "wait"]
    print("  a DAG with an operator, a sensor and a decorated task is built")


def the_emulator_says_what_is_missing() -> None:
    """In one sentence, not in a traceback."""
    told = run("ee-emulator", "serve", "--catalog", ".", "--output", ".")
    assert re.fullmatch(
        r"ee-emulator: \w+ is not installed; install airflow-provider-ee\[emulator\]\.\n", told.stderr
    ), told.stderr
    print(f"  {told.stderr.strip()}")


def serves_a_sample() -> None:
    """The sample catalog is written, and served."""
    with tempfile.TemporaryDirectory() as folder:
        assert run("ee-emulator", "sample", folder).returncode == 0
        command = [
            BIN / "ee-emulator",
            "serve",
            "--port",
            "0",
            "--catalog",
            folder,
            "--output",
            f"{folder}/output",
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                assert server.stdout
                found = re.search(r"http://\S+", server.stdout.readline())
                assert found
                collection = "projects/earthengine-public/assets/COPERNICUS/S2_SR_HARMONIZED"
                with urlopen(f"{found[0]}/v1/{collection}:listAssets") as answer:  # noqa: S310
                    images = json.load(answer)["assets"]
            finally:
                server.terminate()
    assert len(images) == 3, images
    print(f"  the emulator serves {len(images)} images of the sample")


def run(command: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command of the environment."""
    return subprocess.run([BIN / command, *arguments], capture_output=True, text=True, check=False)


if __name__ == "__main__":
    main(sys.argv[1])
