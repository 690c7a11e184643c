"""Make the JSON Schemas again (`python manifests/schema/make.py`): of documents, lists and reports.

Shapes come from packager's own types. What a field means and which values it has is in the files beside this one: a
field without a text there, or a text without its field, is an error.
"""

import json
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
from check_texts import CHECK_REPORTS
from document_texts import DOCUMENTS, MEMBERS
from mirror_texts import MIRROR_REPORTS
from report_texts import REPORTS
from text_rules import Rule, TypeTexts

from packager import model
from packager.core.estimates import estimate as estimates
from packager.core.releases import lookup_index, release_lists, withdrawn_records
from packager.core.reports import check_reports, inspection, mirror_reports, reports, warning_kinds

FOLDER = Path(__file__).parent
DRAFT = "https://json-schema.org/draft/2020-12/schema"
TEXTS: TypeTexts = DOCUMENTS | REPORTS | CHECK_REPORTS | MIRROR_REPORTS
ERROR = {
    "$schema": DRAFT,
    "title": "Error",
    "description": "One line on stderr if a command with --json fails; nothing is on stdout then.",
    "type": "object",
    "required": ["level", "code", "kind", "where", "what", "fix"],
    "properties": {
        "level": {"enum": ["error"], "description": "How serious it is."},
        "code": {"enum": [1, 2, 3, 70, 130], "description": "The exit code."},
        "kind": {
            "enum": ["input", "damaged", "refused", "incomplete", "interrupted", "bug"],
            "description": "What kind of error it is.",
        },
        "where": {"type": "string", "description": "The file, key, option, shard or record, or empty."},
        "what": {"type": "string", "description": "What is wrong there."},
        "fix": {"type": "string", "description": "What to do about it, or empty."},
    },
}

# File -> (its type, whether it is a list of them, whether it may have fields that have no text here).
SCHEMAS: dict[str, tuple[Any, bool, bool]] = {
    "manifest": (model.Manifest, False, False),
    "release": (model.Release, False, False),
    "withdrawals": (withdrawn_records.Withdrawals, False, False),
    "torrents": (release_lists.ListedTorrent, True, True),
    "lookup": (lookup_index.Lookup, False, False),
    "reports/scan": (reports.ScanReport, False, True),
    "reports/warnings": (warning_kinds.WarningsReport, False, True),
    "reports/plan": (reports.PlanReport, False, True),
    "reports/pack": (reports.PackReport, False, True),
    "reports/export": (reports.ExportReport, False, True),
    "reports/publish": (reports.PublishReport, False, True),
    "reports/release": (reports.ReleaseReport, False, True),
    "reports/status": (reports.StatusReport, False, True),
    "reports/withdraw": (reports.WithdrawReport, False, True),
    "reports/replace": (reports.ReplaceReport, False, True),
    "reports/prune": (reports.PruneReport, False, True),
    "reports/verify": (check_reports.VerifyReport, False, True),
    "reports/repair": (check_reports.RepairReport, False, True),
    "reports/rebuild": (check_reports.RebuildReport, False, True),
    "reports/extract": (check_reports.ExtractReport, False, True),
    "reports/get": (check_reports.GetReport, False, True),
    "reports/serve": (reports.ServeReport, False, True),
    "reports/seed": (reports.SeedReport, False, True),
    "reports/estimate": (estimates.EstimateReport, False, True),
    "reports/torrent": (reports.TorrentReport, False, True),
    "reports/inspect": (inspection.Inspection, False, True),
    "reports/mirror-follow": (mirror_reports.MirrorReport, False, True),
    "reports/mirror-status": (mirror_reports.MirrorStatus, False, True),
}
FOREIGN = {"reports/inspect"}  # hold what strangers wrote, whatever values that has


def schema(name: str) -> Rule:
    """Return one of SCHEMAS."""
    kind, is_list, is_open = SCHEMAS[name]
    made = msgspec.json.schema(kind)
    for title, shape in made["$defs"].items():
        _describe(title, shape, is_open=is_open, is_foreign=name in FOREIGN)
    head = {"$schema": DRAFT, "title": name.rpartition("/")[2]}
    body = {"type": "array", "items": {"$ref": made["$ref"]}} if is_list else {"$ref": made["$ref"]}
    return head | body | {"$defs": made["$defs"]}


def _describe(title: str, shape: Rule, *, is_open: bool, is_foreign: bool) -> None:
    """Put meaning and values of each field into a type's schema; of a stranger's, the meaning alone."""
    texts_of = TEXTS[title]
    if set(texts_of) != set(shape["properties"]):
        raise SystemExit(f"{title}: texts and fields differ: {set(texts_of) ^ set(shape['properties'])}")
    shape["additionalProperties"] = is_open
    for key, field in shape["properties"].items():
        line = texts_of[key]
        text, rule = line if isinstance(line, tuple) else (line, {})
        shape["properties"][key] = {
            "description": text,
            **_field(field, {} if is_foreign else rule, is_left_out=key not in shape["required"]),
        }


def _field(field: Rule, rule: Rule, *, is_left_out: bool) -> Rule:
    """Return a field's schema with its rule; one that is left out if it has no value is never null."""
    if "anyOf" not in field:
        kept = {key: value for key, value in field.items() if key != "default"}
        return kept | ({"minimum": 0} if field.get("type") == "integer" else {}) | rule
    every = [inner for kind in field["anyOf"] for inner in kind.get("anyOf", [kind])]
    kinds = [_field(kind, rule, is_left_out=False) for kind in every if kind != {"type": "null"}]
    return kinds[0] if is_left_out and len(kinds) == 1 else {"anyOf": [*kinds, {"type": "null"}]}


def members_schema() -> Rule:
    """Return the schema of the rows of a members table as JSON: all columns are there, and others may be."""
    if list(MEMBERS) != model.MEMBERS.names:
        raise SystemExit(f"members: texts and columns differ: {set(MEMBERS) ^ set(model.MEMBERS.names)}")
    properties = {}
    for field in model.MEMBERS:
        line = MEMBERS[field.name]
        text, rule = line if isinstance(line, tuple) else (line, {})
        kind = "string" if field.type in (pa.string(), pa.binary(32)) else "number"
        kind = "integer" if pa.types.is_integer(field.type) else kind
        value = {"type": kind} | rule
        shown = {"anyOf": [value, {"type": "null"}]} if field.nullable else value
        properties[field.name] = {"description": text} | shown
    row = {"type": "object", "required": model.MEMBERS.names, "properties": properties}
    return {"$schema": DRAFT, "title": "members", "type": "array", "items": row}


def texts() -> dict[str, str]:
    """Return the text of every schema by its path in this folder."""
    made = {name: schema(name) for name in SCHEMAS} | {"members": members_schema(), "reports/error": ERROR}
    return {f"{name}.schema.json": json.dumps(text, indent=2) + "\n" for name, text in made.items()}


def main() -> None:
    """Write every schema."""
    for path, text in texts().items():
        (FOLDER / path).parent.mkdir(exist_ok=True)
        (FOLDER / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
