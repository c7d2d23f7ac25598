"""Make the emulator's data from a compilation of the REST API: the messages that it checks, and the methods.

Usage: python tools/make_emulator_schema.py V1_SCHEMA_JSON METHODS_TSV

Prose is left out: the documentation of each message is on the REST page that its name leads to.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[1] / "airflow_provider_ee" / "emulator" / "data"
REQUESTS = (
    *(f"Export{kind}Request" for kind in ("Image", "Table", "Video", "Map", "VideoMap", "Classifier")),
    "CancelOperationRequest",
    "ComputeValueRequest",
    "GetIamPolicyRequest",
    "SetIamPolicyRequest",
)
KEYWORDS = {
    "type", "properties", "additionalProperties", "required", "items", "enum", "const", "pattern",
    "minimum", "maximum", "maxLength", "minProperties", "maxProperties", "anyOf", "allOf", "not", "$ref",
}  # fmt: skip


def messages(compiled: dict[str, Any]) -> dict[str, Any]:
    """The requests and all that they refer to."""
    found: dict[str, Any] = {}
    pending = list(REQUESTS)
    while pending:
        name = pending.pop()
        if name not in found:
            found[name] = constraints(compiled[name])
            pending += re.findall(r"#/\$defs/(\w+)", json.dumps(found[name]))
    return dict(sorted(found.items()))


def constraints(schema: Any) -> Any:
    """A schema without what does not constrain."""
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key in KEYWORDS}
    if "properties" in kept:
        kept["properties"] = {name: constraints(field) for name, field in kept["properties"].items()}
    for key in ("additionalProperties", "items", "not"):
        if key in kept:
            kept[key] = constraints(kept[key])
    for key in ("anyOf", "allOf"):
        if key in kept:
            kept[key] = [constraints(part) for part in kept[key]]
    if len(kept.get("not", {})) > 1:
        # Old versions of fastjsonschema take variables for set that only a part of a "not" would have set.
        kept["not"] = {"allOf": [{key: value} for key, value in kept["not"].items()]}
    if kept.get("minProperties") == kept.get("maxProperties") == 1:
        kept.pop("allOf", None)  # says pair by pair that two fields exclude each other
    return kept


def methods(rows: list[dict[str, str]]) -> list[dict[str, Any]]:
    """Each method of v1 with the names of its query parameters."""
    return [
        {
            "id": row["method_id"],
            "verb": row["http_verb"],
            "path": row["path_template"],
            "request": match[0] if (match := re.match(r"\w+", row["request_message"])) else "",
            "response": row["response_message"],
            "query": ",".join(query_parameters(row["query_parameters"])),
        }
        for row in rows
        if row["path_template"].startswith("/v1/")
    ]


def query_parameters(prose: str) -> list[str]:
    """The names at the head of each part of a description."""
    if prose.startswith(("(", "as ")):
        return ["pageSize", "pageToken", "filter", "view"] if prose.startswith("as ") else []
    parts = re.split(r"[;,]", re.sub(r"\([^)]*\)?", "", prose))
    return [match[0] for part in parts if (match := re.match(r"\s*([a-z]\w+)", part))]


def main() -> None:
    schema_file, methods_file = map(Path, sys.argv[1:])
    DATA.mkdir(exist_ok=True)
    schema = {
        "$comment": "Made by tools/make_emulator_schema.py from the reference of the Earth Engine REST API v1.",
        "$defs": messages(json.loads(schema_file.read_text())["$defs"]),
    }
    (DATA / "v1.schema.json").write_text(json.dumps(schema, indent=1) + "\n")
    with methods_file.open(newline="") as source:
        rows = methods(list(csv.DictReader(source, delimiter="\t")))
    with (DATA / "methods.tsv").open("w", newline="") as target:
        writer = csv.DictWriter(target, list(rows[0]), delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
