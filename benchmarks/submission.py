"""What exactly-once costs a first try where nothing breaks, against a plain authorised POST of the request."""

from __future__ import annotations

import json
import logging
import multiprocessing
import statistics
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import perf_counter
from typing import Any

from google.auth.transport.requests import AuthorizedSession
from google.oauth2.credentials import Credentials
from large_expression import NODES, graph

from airflow_provider_ee.earthengine.client import EarthEngineClient
from airflow_provider_ee.earthengine.clock import SystemClock
from airflow_provider_ee.earthengine.mark import task_key
from airflow_provider_ee.earthengine.messages import ImageExportRequest
from airflow_provider_ee.earthengine.submission import Attempt, Submission
from airflow_provider_ee.earthengine.validation import parse

ROUNDS = 200
WARM_UP = 10
FILES = {"cloudStorageDestination": {"bucket": "bucket", "filenamePrefix": "prefix"}}


class Answer(BaseHTTPRequestHandler):
    """Starts every export at once, so that only the ways of asking differ; counts how often it was asked."""

    protocol_version = "HTTP/1.1"
    asked = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).asked += 1
        operation = {"name": "projects/p/operations/ID", "metadata": {"state": "PENDING"}, "asked": self.asked}
        body = json.dumps(operation).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class Memory:
    """A store that costs nothing: what Airflow's takes is Airflow's."""

    lasts = True

    def read(self) -> None:
        """Nothing."""

    def write(self, record: dict[str, Any]) -> None:
        """Forget."""


def serve(port: Any) -> None:
    """Answer in a process of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    server.socket.setsockopt(6, 1, 1)  # TCP_NODELAY
    port.send(server.server_address[1])
    server.serve_forever()


def measure(url: str, nodes: int) -> tuple[int, list[tuple[float, float]], int]:
    """Size of the body, (ours, plain) in seconds for each round, and how many requests ours took."""
    request = parse(
        ImageExportRequest,
        {"expression": graph("asset", nodes), "description": "export", "fileExportOptions": FILES},
    )
    credentials = Credentials("token")
    client = EarthEngineClient(credentials, "p", endpoint=url, real_credentials=False)
    session = AuthorizedSession(credentials)
    session.trust_env = False
    plain_body = json.loads(request.body())
    rounds, asked = [], 0

    def ours(index: int) -> int:
        submission = Submission(client, Memory(), SystemClock(), Attempt(task_key("run", index), 0, 1))
        return int(submission.start(request.prepared).resource["asked"])

    def plain(_: int) -> int:
        answer = session.post(f"{url}/v1/projects/p/image:export", json=plain_body, timeout=60)
        return int(answer.json()["asked"])

    for index in range(ROUNDS + WARM_UP):
        took, told = {}, {}
        for way in (ours, plain) if index % 2 else (plain, ours):  # whoever comes first finds another machine
            start = perf_counter()
            told[way] = way(index)
            took[way] = perf_counter() - start
        rounds.append((took[ours], took[plain]))
        asked = max(asked, abs(told[ours] - told[plain]))
    return len(request.body()), rounds[WARM_UP:], asked


def main() -> bool:
    """Print the table; tells whether the promises hold."""
    logging.getLogger("airflow_provider_ee").setLevel(logging.WARNING)  # writing lines is not what is measured
    receiver, sender = multiprocessing.Pipe(duplex=False)
    server = multiprocessing.get_context("spawn").Process(target=serve, args=(sender,), daemon=True)
    server.start()
    url = f"http://127.0.0.1:{receiver.recv()}"
    holds = True
    print(f"Starting an export, from the checked request on (median of {ROUNDS} pairwise differences)")
    try:
        for nodes in (5, NODES):
            size, rounds, asked = measure(url, nodes)
            plain = statistics.median(theirs for _, theirs in rounds)
            more = statistics.median(ours - theirs for ours, theirs in rounds)
            allowed = max(0.1 * plain, 1e-3)
            print(
                f"  body of {size / 1e3:7.1f} kB: requests.post {plain * 1e3:6.2f} ms, ours {more * 1e3:+5.2f} ms "
                f"(promised: at most +{allowed * 1e3:.2f} ms); requests: {asked}"
            )
            holds &= more <= allowed and asked == 1
    finally:
        server.terminate()
    return holds


if __name__ == "__main__":
    sys.exit(not main())
