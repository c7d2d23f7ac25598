"""The pages that show people what is in the service: tasks, assets, buckets, tables, settings.

Google documents the pages, but not their addresses; those here are in wide use. A page of a single task is not
known of.
"""

from __future__ import annotations

from urllib.parse import quote, urlencode

_CONSOLE = "https://console.cloud.google.com"


def tasks_page(project: str) -> str:
    """The tasks of a Cloud project."""
    return f"{_CONSOLE}/earth-engine/tasks?{urlencode({'project': project})}"


def result_page(destination: str) -> str:
    """Where to look for what an export writes.

    :param destination: as users write it: ``gs://bucket/prefix``, ``drive://folder/prefix``,
        ``projects/p/assets/name`` or ``bq://project.dataset.table``.
    """
    scheme, separator, rest = destination.partition("://")
    return _PAGES[scheme if separator else ""](rest if separator else destination)


def _bucket_page(rest: str) -> str:
    """The folder, and in it what begins with the rest of the prefix."""
    folder, _, start = rest.rpartition("/")
    if not folder:
        folder, start = rest, ""
    narrowed = f"?{urlencode({'prefix': start})}" if start else ""
    return f"{_CONSOLE}/storage/browser/{quote(folder)}{narrowed}"


def _drive_page(rest: str) -> str:
    """A search: the address of a folder holds its id, which nobody is told before the export has ended."""
    folder, _, prefix = rest.partition("/")
    return f"https://drive.google.com/drive/search?{urlencode({'q': folder or prefix})}"


def _asset_page(name: str) -> str:
    return f"https://code.earthengine.google.com/?{urlencode({'asset': name})}"


def _table_page(rest: str) -> str:
    project, dataset, table = rest.rsplit(".", 2)
    place = {"project": project, "p": project, "d": dataset, "t": table, "page": "table"}
    return f"{_CONSOLE}/bigquery?{urlencode(place)}"


_PAGES = {"gs": _bucket_page, "drive": _drive_page, "bq": _table_page, "": _asset_page}
