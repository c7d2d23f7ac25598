"""Where Airflow keeps its state and runs its tasks: SQLite, PostgreSQL with two schedulers, Celery."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

DATABASE = "E2E_DATABASE_URL"
BROKER = "E2E_CELERY_BROKER_URL"


@dataclass(frozen=True)
class Backend:
    """A kind of Airflow, with a database and a queue of its own.

    :param missing: why it cannot be had here; empty where it can.
    """

    name: str
    schedulers: int = 1
    database: str = ""
    broker: str = ""
    missing: str = ""
    _queue = f"ee-e2e-{secrets.token_hex(4)}"

    @property
    def worker(self) -> list[str]:
        """The command of the Celery worker, if there is one."""
        options = "--skip-serve-logs --concurrency 4 --without-gossip --without-mingle"
        return ["celery", "worker", "--queues", self._queue, *options.split()] if self.broker else []

    @contextmanager
    def prepared(self) -> Iterator[dict[str, str]]:
        """What Airflow has to know; afterwards nothing is left in database and broker."""
        settings: dict[str, str] = {}
        if not self.database:
            yield settings
            return
        with _own_database(self.database) as url:
            settings |= {"AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": url}
            if not self.broker:
                yield settings
                return
            with _own_broker(self.broker) as broker:
                yield settings | {
                    "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
                    "AIRFLOW__CELERY__BROKER_URL": broker,
                    "AIRFLOW__CELERY__RESULT_BACKEND": broker,
                    "AIRFLOW__OPERATORS__DEFAULT_QUEUE": self._queue,
                }


def known_backends() -> dict[str, Backend]:
    """By name; what is not named and does not answer is missing."""
    database = os.environ.get(DATABASE) or _if_open(5432, "postgresql://postgres@127.0.0.1:5432/postgres")
    broker = os.environ.get(BROKER) or _if_open(6379, "redis://127.0.0.1:6379")
    no_database = "" if database else f"no PostgreSQL: {DATABASE} is not set, and none answers on 127.0.0.1:5432"
    no_broker = "" if broker else f"no Redis: {BROKER} is not set, and none answers on 127.0.0.1:6379"
    backends = (
        Backend("sqlite"),
        Backend("postgres", schedulers=2, database=database, missing=no_database),
        Backend("celery", database=database, broker=broker, missing=no_database or no_broker),
    )
    return {backend.name: backend for backend in backends}


def _if_open(port: int, url: str) -> str:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return ""
    return url


@contextmanager
def _own_database(server: str) -> Iterator[str]:
    """A new database on a server, dropped at the end."""
    import psycopg2

    name = f"ee_e2e_{secrets.token_hex(4)}"
    parts = urlsplit(server)
    plain = urlunsplit(parts._replace(scheme="postgresql"))

    def execute(statement: str) -> None:
        connection = psycopg2.connect(plain)
        connection.autocommit = True  # a database is not made in a transaction
        try:
            connection.cursor().execute(statement)
        finally:
            connection.close()

    execute(f'CREATE DATABASE "{name}"')
    try:
        yield urlunsplit(parts._replace(scheme="postgresql+psycopg2", path=f"/{name}"))
    finally:
        execute(f'DROP DATABASE "{name}" WITH (FORCE)')


@contextmanager
def _own_broker(server: str) -> Iterator[str]:
    """An empty one of the numbered databases of a Redis, or the one that is named; emptied of what is new."""
    import redis

    named = urlsplit(server).path.strip("/")
    numbers = [named] if named else [str(number) for number in range(15, 0, -1)]
    for number in numbers:
        url = urlunsplit(urlsplit(server)._replace(path=f"/{number}"))
        client = redis.Redis.from_url(url)
        before = set(client.scan_iter())
        if named or not before:
            break
    else:
        raise RuntimeError(f"every database of the Redis is in use; name one in {BROKER}.")
    try:
        yield url
    finally:
        new = set(client.scan_iter()) - before
        if new:
            client.delete(*new)
        client.close()
