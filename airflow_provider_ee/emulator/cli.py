"""``ee-emulator``: serve the emulator, or write a sample catalog."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit status is returned."""
    options = _parser().parse_args(arguments)
    try:
        command: int = options.run(options)
    except ModuleNotFoundError as missing:
        if (missing.name or "").startswith("airflow_provider_ee"):
            raise
        print(  # noqa: T201
            f"ee-emulator: {missing.name} is not installed; install airflow-provider-ee[emulator].",
            file=sys.stderr,
        )
        return 2
    return command


def _serve(options: argparse.Namespace) -> int:
    from airflow_provider_ee.emulator.server import EarthEngineEmulator

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        emulator = EarthEngineEmulator(
            options.catalog,
            options.output,
            host=options.host,
            port=options.port,
            task_seconds=options.task_seconds,
            slots=options.slots,
            queue_limit=options.queue_limit,
            tokens=dict(options.token),
        )
    except (ValueError, OSError) as error:
        print(f"ee-emulator: {error}", file=sys.stderr)  # noqa: T201
        return 2
    with emulator:
        print(f"Earth Engine emulator ready at {emulator.url}", flush=True)  # noqa: T201
        stop.wait()
    return 0


def _sample(options: argparse.Namespace) -> int:
    from airflow_provider_ee.emulator.sample import write_sample

    write_sample(options.directory)
    print(f"Wrote the sample catalog to {options.directory}")  # noqa: T201
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ee-emulator", description="Google Earth Engine, on your machine.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="serve the REST API until interrupted")
    serve.add_argument("--host", default="127.0.0.1", help="address to bind (default: %(default)s)")
    serve.add_argument("--port", type=_port, default=8085, help="0 picks a free one (default: %(default)s)")
    serve.add_argument("--catalog", type=_folder, required=True, metavar="DIR", help="assets that are loaded")
    serve.add_argument("--output", type=Path, required=True, metavar="DIR", help="where exports are written")
    serve.add_argument("--task-seconds", type=_seconds, default=5.0, metavar="S", help="how long an export runs")
    serve.add_argument("--slots", type=_count, default=2, metavar="N", help="how many exports run at a time")
    serve.add_argument("--queue-limit", type=_count, default=3000, metavar="N", help="pending exports of a user")
    serve.add_argument(
        "--token", type=_named, action="append", default=[], metavar="NAME=VALUE", help="a user's bearer token"
    )
    serve.set_defaults(run=_serve)

    sample = commands.add_parser("sample", help="write a small catalog of real Sentinel-2 pixels")
    sample.add_argument("directory", type=Path, metavar="DIR")
    sample.set_defaults(run=_sample)
    return parser


def _folder(text: str) -> Path:
    if not Path(text).is_dir():
        raise argparse.ArgumentTypeError(f"{text} is not a folder; write one with `ee-emulator sample {text}`")
    return Path(text)


def _port(text: str) -> int:
    if not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return int(text)


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is not a number of seconds")
    return seconds


def _count(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"{text} is not a number of 1 or more")
    return int(text)


def _named(text: str) -> tuple[str, str]:
    name, separator, token = text.partition("=")
    if not (name and separator and token):
        raise argparse.ArgumentTypeError("write NAME=VALUE")
    return name, token
