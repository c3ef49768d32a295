"""What one look at a document's file found, and what the operator allows."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..compare import Summary
from ..documents.reader import Rest
from ..errors import MigrateError
from ..pack import Document
from ..report import Anomaly


@dataclass(frozen=True, slots=True)
class Options:
    """What the operator allows: skip documents, salvage damaged files, accept shrunken ones and this folder."""

    skip: frozenset[str] = frozenset()
    salvage: bool = False
    accept_source: frozenset[str] = frozenset()
    accept_data: bool = False


@dataclass(slots=True)
class Survey:
    """What one pass over a document's file found; `error` says why it cannot be taken."""

    document: Document
    state: str
    digest: str | None = None
    size: int = 0
    count: int = 0
    twins: frozenset[int] = frozenset()
    salvage: bool = False
    rest: list[Rest] = field(default_factory=list)
    envelope: str | None = None  # as text
    anomalies: list[Anomaly] = field(default_factory=list)
    anomaly_count: int = 0
    envelopes: set[str] = field(default_factory=set)  # distinct sealed values
    plain: int = 0  # credentials in clear text
    unfit: int = 0
    accepted: bool = False  # a person says that the file is to be believed
    summaries: dict[str, Summary] = field(default_factory=dict)  # by part
    references: dict[str, int] = field(default_factory=dict)  # records that refer to another document in vain
    refers: dict[str, str] = field(default_factory=dict)  # documents that its rules refer to: what they were then
    from_memory: bool = False  # not read again: a look at the same bytes is remembered
    error: MigrateError | None = None
    moved: dict[int, str] = field(default_factory=dict)  # pointers by number in quarantine, if it was written anew
