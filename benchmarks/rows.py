"""The rows of the tables: what each figure is called, and what it is held against."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. Its ratio is to `against`; a row without one is what others are held against, or a number itself."""

    figure: str
    title: str
    against: str | None = None
    unit: str = "s"

    @property
    def process(self) -> str | None:
        """The process whose memory and processor time belong to the row, None for a part of one."""
        return None if ": " in self.figure else self.figure


FLOOR: Final = "floor"
TOOL: Final = "sqlite-utils"
IMPORT: Final = "migrate: import"

CARRYING: Final = (
    Row(FLOOR, "floor: ready rows, same table and indexes"),
    Row("floor-late", "floor, indexes built after the load", FLOOR),
    Row("by-hand", "a script: `json.load`, `executemany`", FLOOR),
    Row(TOOL, "`sqlite-utils insert`, without indexes", FLOOR),
    Row("migrate", "`migrate`, the whole command", TOOL),
    Row("migrate: preflight", "– its preflight", FLOOR),
    Row("migrate: backup", "– its backup", FLOOR),
    Row("migrate: schema", "– its schema", FLOOR),
    Row(IMPORT, "– its import", FLOOR),
    Row("migrate: validate", "– its validation", IMPORT),
    Row("validate", "`validate`", IMPORT),
    Row("migrate again", "`migrate` again, nothing changed", IMPORT),
    Row("validate --quick", "`validate --quick`", IMPORT),
    Row("export", "`export`", IMPORT),
    Row("status", "`status`", IMPORT),
    Row("node", "the app rewrites its file (Node)", FLOOR),
    Row("deepdiff", "DeepDiff of two whole documents", "validate"),
)

_REWRITE: Final = "rewrite"
_DUMP: Final = "dump"
_LOAD: Final = "load"

_ASKED: Final = {
    "page": "a page, in the order of the file",
    "page by title": "a page, by title",
    "page by year": "a page, newest first",
    "filter": "a page of one kind",
    "filter by year": "a page since 1990",
    "search": "full text, the 100 best",
}

LIVING: Final = (
    Row(_REWRITE, "the app's way in Python: read, change, write all", unit="ms"),
    Row("app", "the app's way in Node", _REWRITE, "ms"),
    Row("commit: p50", "one UPDATE and COMMIT, as durable, p50", _REWRITE, "ms"),
    Row("commit: p99", "one UPDATE and COMMIT, as durable, p99", _REWRITE, "ms"),
    Row("live put: p50", "`put` at live, p50", _REWRITE, "ms"),
    Row("live put: p99", "`put` at live, p99", _REWRITE, "ms"),
    Row("live put-alone: p50", "`put` at live while no mirror works, p50", _REWRITE, "ms"),
    Row("live put-alone: p99", "`put` at live while no mirror works, p99", _REWRITE, "ms"),
    Row("live batches: a write", "one of 1,000 changed records of a unit of work at live", _REWRITE, "ms"),
    Row("live batches: a new record", "one of 1,000 new records of a unit of work at live", _REWRITE, "ms"),
    Row("dualwrite put-file-first: p50", "`put` at dualwrite, p50", _REWRITE, "ms"),
    Row(_DUMP, "`json.dumps` and write of the whole file", unit="ms"),
    Row("live mirror", "mirror: one changed record into the file", _DUMP, "ms"),
    Row("live put: rewrite under load", "mirror: one rewrite under load", _DUMP, "ms"),
    Row("live put: writes per rewrite", "mirror: writes that share a rewrite under load", None, "writes"),
    Row(_LOAD, "a page the app's way in Python: read all, sort, take 100", unit="ms"),
    *(
        Row(f"{stage} read: {name} {share}", f"{stage}: {title}, {share}", _LOAD, "ms")
        for stage in ("live", "dualwrite")
        for name, title in _ASKED.items()
        for share in ("p50", "p95")
    ),
    Row("dualwrite read: first read", "dualwrite: the first read, which makes tables of the file", _LOAD, "ms"),
)

GROWING: Final = {
    "floor": "floor",
    IMPORT: "import",
    "migrate": "`migrate`",
    "validate": "`validate`",
    "export": "`export`",
    "sqlite-utils": "`sqlite-utils insert`",
    "deepdiff": "DeepDiff",
    "live put-alone: p50": "one write at live",
    "rewrite": "the app's way",
}
