"""The methods of the REST API: which one a request calls, and what the discovery document says of them.

REST page: https://developers.google.com/earth-engine/reference/rest
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

_PARAMETER = re.compile(r"\{([\w.]+)=([^}]+)\}")


@dataclass(frozen=True)
class Method:
    """One REST method."""

    id: str
    verb: str
    path: str
    request: str
    response: str
    query: tuple[str, ...]

    @property
    def name(self) -> str:
        """Short name, such as ``image.export``."""
        return self.id.removeprefix("earthengine.projects.")

    @property
    def parameter(self) -> tuple[str, str]:
        """Name of the path's parameter, and the regular expression of its value."""
        match = _PARAMETER.search(self.path)
        assert match, self.path
        wildcard = {"*": "[^/]+", "**": ".+"}  # old projects are called example.com:name
        return match[1], "/".join(wildcard.get(part, re.escape(part)) for part in match[2].split("/"))

    @property
    def pattern(self) -> re.Pattern[str]:
        """Matches the paths of this method; its group is the parameter's value."""
        before, after = (re.escape(part) for part in _PARAMETER.sub("\0", self.path).split("\0"))
        return re.compile(f"{before}({self.parameter[1]}){after}")


class Methods:
    """All methods of v1."""

    def __init__(self) -> None:
        with (files(__package__) / "data" / "methods.tsv").open(encoding="utf-8") as source:
            rows = list(csv.DictReader(source, delimiter="\t"))
        self.all = [
            Method(**{**row, "query": tuple(filter(None, re.split(r",\s*", row["query"])))})  # type: ignore[arg-type]
            for row in rows
        ]
        # Paths that end in a verb (…:cancel) come before those that take any tail.
        self._routes = sorted(
            ((method.pattern, method) for method in self.all), key=lambda route: ":" not in route[1].path
        )

    def find(self, verb: str, path: str) -> tuple[Method, str] | None:
        """The method that a request calls, and the resource that it is about."""
        for pattern, method in self._routes:
            if method.verb == verb and (match := pattern.fullmatch(path)):
                return method, match[1]
        return None

    def discovery_document(self, root_url: str) -> dict[str, Any]:
        """The description from which Google's client library builds its methods."""
        resources: dict[str, Any] = {}
        for method in self.all:
            *parents, last = method.id.removeprefix("earthengine.").split(".")
            level: dict[str, Any] = {"resources": resources}
            for parent in parents:
                level = level.setdefault("resources", {}).setdefault(parent, {})
            level.setdefault("methods", {})[last] = _described(method)
        messages = {name for method in self.all for name in (method.request, method.response)}
        # Google's library makes a `list_next` where the answer of a method has this property.
        paged = {method.response for method in self.all if "pageToken" in method.query}
        token = {"nextPageToken": {"type": "string"}}
        return {
            "kind": "discovery#restDescription",
            "discoveryVersion": "v1",
            "id": "earthengine:v1",
            "name": "earthengine",
            "version": "v1",
            "title": "Google Earth Engine API (emulator)",
            "protocol": "rest",
            "rootUrl": f"{root_url}/",
            "baseUrl": f"{root_url}/",
            "servicePath": "",
            "batchPath": "batch",
            "parameters": {
                name: {"type": "string", "location": "query"} for name in ("alt", "fields", "key", "prettyPrint")
            },
            "schemas": {
                name: {"id": name, "type": "object", "properties": token if name in paged else {}}
                for name in sorted(messages)
                if name.isidentifier()
            },
            "resources": resources,
        }


def _described(method: Method) -> dict[str, Any]:
    name, pattern = method.parameter
    described: dict[str, Any] = {
        "id": method.id,
        "httpMethod": method.verb,
        "path": _PARAMETER.sub(r"{+\1}", method.path).lstrip("/"),
        "parameterOrder": [name],
        "parameters": {
            name: {"type": "string", "location": "path", "required": True, "pattern": f"^{pattern}$"},
            **{query: {"type": "string", "location": "query"} for query in method.query},
        },
    }
    if method.request:
        described["request"] = {"$ref": method.request}
    if method.response.isidentifier():
        described["response"] = {"$ref": method.response}
    return described


def installed_algorithms() -> dict[str, Any] | None:
    """The real algorithm list, which an installed earthengine-api brings along for its own tests."""
    import importlib.util
    import json
    from pathlib import Path

    spec = importlib.util.find_spec("ee")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        listing = Path(folder) / "tests" / "algorithms.json"
        if listing.is_file():
            found: dict[str, Any] = json.loads(listing.read_text(encoding="utf-8"))
            return found
    return None
