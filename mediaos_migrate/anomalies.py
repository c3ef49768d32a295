"""The app's own rules, as its pack states them, checked over records as they stream by."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final

from .codecs import CODECS
from .derived import creation_hint
from .digest import Hashes
from .fields import Fields
from .pack import DOCUMENT, KEY, VALUE, Document, Part, Rule
from .record import Record
from .report import CAP, Anomaly, Key
from .secrets import LOOKS_SEALED, PLAIN, SEALED, Vault, secrets_in
from .values import canonical, reveal

DUPLICATE_KEY: Final = "duplicate-key"

_Named = tuple[Key, Key, int]  # the key, what is shown for it, and the place in the file

# Anomalies that hold for every app: code -> (what it means, what one can do).
BUILT_IN: Final = {
    "plaintext-secret": (
        "A credential stands in the file in clear text.",
        "Save it again in the app, so that the app encrypts it; with a key we seal it in the database.",
    ),
    "unopened-secret": (
        "A credential looks encrypted, but no key opened it; it is kept as it is.",
        "Give the app's own key (ENCRYPTION_KEY or --key-file); if it still does not open, enter it anew in the app.",
    ),
    DUPLICATE_KEY: (
        "A record has the key of an earlier one; the app finds only one of the two.",
        "It is in quarantine (`mediaos-migrate quarantine list`) and in every export; give one of them another key.",
    ),
    "unfit-value": (
        "A member has another type or form than the app writes; it is kept exactly, outside its column.",
        "Nothing is lost. Correct it in the app if you want to find it by that column.",
    ),
}


def meaning(document: Document, code: str) -> tuple[str, str]:
    """Return what it means that records of a document break a rule, and what one can do."""
    own = ((rule.means, rule.remedy) for part in document.parts for rule in part.rules if rule.code == code)
    return next(own, None) or BUILT_IN[code]


class Inspector:
    """Finds the anomalies of one part in at most two passes over its records.

    `others` gives the keys of documents that a rule refers to. After `first` has seen all records,
    `second` sees them again if `needs_second` says so.
    """

    def __init__(self, part: Part, vault: Vault, others: Mapping[str, Hashes]) -> None:
        self._part, self._vault, self._others = part, vault, others
        self._hiding = bool(part.hidden)
        self._unique = [rule for rule in part.rules if rule.unique]
        self._single = [rule for rule in part.rules if rule.known or rule.listed or rule.repeats or rule.refers]
        self._variants = [rule for rule in part.rules if rule.variants]
        self._twins = {rule.code: Hashes() for rule in self._unique}
        self._again: dict[str, frozenset[int]] = {}
        self._spellings: dict[str, set[str]] = {rule.code: set() for rule in self._variants}
        fitting = {name: column for name, column in part.columns.items() if column.codec != "json"}
        self._fields = Fields(fitting)
        self._fitting = [
            (column.member, CODECS[column.codec].fit)
            for column in fitting.values()
            if column.member not in (KEY, VALUE, DOCUMENT)
        ]
        self.kept: list[Anomaly] = []  # of each rule the first ones, so that none hides another
        self._counts: dict[str, int] = {}
        self.references: dict[str, int] = {}  # documents referred to in vain, by what looks like an id of theirs

    @property
    def count(self) -> int:
        """How many anomalies were found."""
        return sum(self._counts.values())

    def first(self, record: Record) -> None:
        """Check a record by itself, and remember what may turn out to be twice."""
        value = record.value
        if self._hiding:
            self._check_secrets(record)
        if not isinstance(value, dict):
            return
        for rule in self._unique:
            if (found := rough(rule, value)) is not None:
                self._twins[rule.code].meet(found, record.start)
        for rule in self._single:
            self._check(rule, record, value)
        for rule in self._variants:
            if isinstance(spelled := value.get(rule.member or ""), str):
                self._spellings[rule.code].add(spelled)
        self._check_fit(record, value)

    @property
    def needs_second(self) -> bool:
        """Close the first pass and tell whether something can only be named in another."""
        self._again = {code: twins.twins() for code, twins in self._twins.items()}
        return any(self._again.values()) or any(map(self._mixed, self._variants))

    @property
    def places(self) -> list[int] | None:
        """Where the records begin that the other pass has to see; None when it has to see all."""
        if any(map(self._mixed, self._variants)):
            return None
        return sorted({at for code, twins in self._twins.items() for at in twins.places(self._again[code])})

    def second(self, records: Iterable[Record]) -> None:
        """Name the records that share what ought to be unique, and those spelled in two ways."""
        groups = {rule.code: _Groups() for rule in self._unique}
        for record in records:
            if not isinstance(record.value, dict):
                continue
            for rule in self._unique:
                if hash(rough(rule, record.value)) not in self._again[rule.code]:
                    continue
                if (found := folded(rule, record.value)) is not None:
                    groups[rule.code].add(found, record)
            self._check_variants(record, record.value)
        for code, found_groups in groups.items():
            self._counts[code] = self._counts.get(code, 0) + found_groups.count
            self.kept += islice(found_groups.named(code), CAP)

    def _check_variants(self, record: Record, value: dict[str, Any]) -> None:
        for rule in self._variants:
            found = value.get(rule.member or "")
            if isinstance(found, str) and found in self._mixed(rule):
                self._add(rule.code, record, found)

    def _mixed(self, rule: Rule) -> set[str]:
        seen = self._spellings[rule.code]
        return {variant for variant, usual in rule.variants.items() if {variant, usual} <= seen}

    def _check(self, rule: Rule, record: Record, value: dict[str, Any]) -> None:
        if rule.repeats:
            parts = [value.get(member) for member in rule.repeats]
            if None not in parts and ":".join(map(str, parts)) != record.element.name:
                self._add(rule.code, record)
            return
        found = value.get(rule.member or "")
        if rule.known and found is not None and not (isinstance(found, str) and found in rule.known):
            self._add(rule.code, record, repr(found)[:60])
        if isinstance(found, str) and found.lower() in rule.listed:
            self._add(rule.code, record)
        others = self._others.get(rule.refers) if rule.refers else None
        if others is not None and isinstance(found, str) and found not in others:
            self._add(rule.code, record)
            if rule.refers and creation_hint(found):
                self.references[rule.refers] = self.references.get(rule.refers, 0) + 1

    def _check_fit(self, record: Record, value: dict[str, Any]) -> None:
        if not self._hiding and self._fields.fits(value):
            return
        for member, fit in self._fitting:
            found = value.get(member)
            if found is not None and fit(reveal(found) if self._hiding else found) is None:
                self._add("unfit-value", record, member)

    def _check_secrets(self, record: Record) -> None:
        for place, secret, hidden in secrets_in(self._part, record.value):
            state = self._vault.state(secret.reveal())
            if hidden.kind == "hash" or state == SEALED:
                continue
            if state == PLAIN:
                self._add("plaintext-secret", record, place)
            elif state == LOOKS_SEALED and self._vault.has_key:
                self._add("unopened-secret", record, place)

    def _add(self, code: str, record: Record, detail: str = "") -> None:
        self._counts[code] = self._counts.get(code, 0) + 1
        if self._counts[code] <= CAP:
            self.kept.append(Anomaly(code, record.key or record.identity, detail, record.start))


class _Groups:
    """Records that share what ought to be unique: all are counted, the first ones kept by key and place."""

    def __init__(self) -> None:
        self._groups: dict[str, tuple[list[_Named], list[int]]] = {}
        self._others = 0  # records of groups that are not named any more

    def add(self, found: str, record: Record) -> None:
        """Put a record to those that share this with it."""
        if found not in self._groups and len(self._groups) >= CAP:
            self._others += 1
            return
        first, count = self._groups.setdefault(found, ([], [0]))
        count[0] += 1
        if len(first) < CAP:
            first.append((record.key, record.key or record.identity, record.start))

    @property
    def count(self) -> int:
        """How many records share something; one that stands alone had only the hash of another."""
        return self._others + sum(count for _, (count,) in self._groups.values() if count > 1)

    def named(self, code: str) -> Iterator[Anomaly]:
        """Name the first records of each group, with three others of it."""
        for first, _ in self._groups.values():
            for number, (_, shown, start) in enumerate(first if len(first) > 1 else ()):
                others = [" / ".join(key) for at, (key, *_) in enumerate(first[:4]) if at != number]
                yield Anomaly(code, shown, f"with {', '.join(others[:3])}", start)


def rough(rule: Rule, value: dict[str, Any]) -> Hashable:
    """Return what is quickly found to be twice: the same for exactly the records whose folded values are."""
    parts: list[Any] = [value.get(member) for member in rule.unique]
    if set(map(type, parts)) != {str}:
        parts = [*map(reveal, parts)]
        if not all(isinstance(part, str) for part in parts):
            return folded(rule, value)
    return tuple(
        part.lower() if member in rule.lower else part for member, part in zip(rule.unique, parts, strict=True)
    )


def folded(rule: Rule, value: dict[str, Any]) -> str | None:
    """Return what a rule compares of a record, secrets revealed; None when a part of it is missing."""
    parts = [reveal(value.get(member)) for member in rule.unique]
    if None in parts:
        return None
    compared = [
        part.lower() if member in rule.lower and isinstance(part, str) else part
        for member, part in zip(rule.unique, parts, strict=True)
    ]
    return canonical(compared)
