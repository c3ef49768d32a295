"""Looking at every file before anything is written: damaged, unsettled, shrunken, or breaking a rule."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from .. import files
from ..anomalies import DUPLICATE_KEY, Inspector
from ..compare import Summary
from ..digest import Hashes
from ..documents.reader import refuse_twins
from ..errors import Damaged, NotSettled, Refused
from ..evidence import Admitted
from ..ledger import DAMAGED, MISSING, PRESENT, SKIPPED, Entry
from ..pack import Document, Part
from ..record import Record
from ..report import CAP, EVERY, SILENT, Anomaly, Progress
from ..secrets import is_envelope, looks_sealed, secrets_in
from ..shapes import Shape
from ..site import Site, parts
from ..stages import Stage
from ..stores.file import RECORDS, FileStore
from . import plausible
from .surveyed import Options, Survey

LOOKS: Final = 5
PAUSE: Final = 0.05
FEW: Final = 4  # one in so many records: as long as fewer are looked for, a jump to each is cheaper than a pass
_KEPT: Final = ("size", "count", "unfit", "plain", "anomaly_count", "refers", "envelope")  # of a look, for the next one


def survey(
    site: Site,
    options: Options,
    known: Mapping[str, Entry],
    memory: Memory | None = None,
    progress: Progress = SILENT,
) -> list[Survey]:
    """Look at every document once, and again at those that did not stand still. Raises nothing of theirs.

    What `memory` says of the same bytes is taken for a look.
    """
    for name in (*options.skip, *options.accept_source):
        site.pack.document(name)
    looker = _Looker(site, options, known, memory or Memory(), progress)
    waiting = list(site.pack.ordered())
    for look in range(LOOKS):
        looker.look(waiting)
        waiting = [document for document in waiting if looker.moved(document, pause=PAUSE * look)]
        if not waiting:
            break
    looker.judge(unsettled=waiting)
    return [looker.found[document.name] for document in site.pack.ordered()]


@dataclass(frozen=True, slots=True)
class Memory:
    """What earlier looks found, by document, if they were taken with the same fingerprint."""

    admitted: Mapping[str, Admitted] = field(default_factory=dict)
    fingerprint: str = ""

    def of(self, document: Document, digest: str) -> Survey | None:
        """Return what a look at the same bytes found."""
        item = self.admitted.get(document.name)
        if item is None or (item.digest, item.fingerprint) != (digest, self.fingerprint):
            return None
        if not {*_KEPT, "anomalies"} <= set(item.survey):  # a foreign hand was at it
            return None
        seen = Survey(document, PRESENT, digest, from_memory=True)
        for name in _KEPT:
            setattr(seen, name, item.survey[name])
        seen.anomalies = [Anomaly(rule, tuple(key), *more) for rule, key, *more in item.survey["anomalies"]]
        try:
            seen.summaries = {part: Summary.from_bytes(data) for part, data in item.summaries.items()}
        except ValueError:  # here too
            return None
        return seen


def remember(seen: Survey, fingerprint: str) -> Admitted | None:
    """Make of a look what a later one may rely on; None where only a full look will do."""
    if seen.state != PRESENT or seen.salvage or seen.twins or seen.envelopes or seen.digest is None:
        return None
    found = {name: getattr(seen, name) for name in _KEPT}
    found["anomalies"] = [(each.rule, each.key, each.detail, each.offset) for each in seen.anomalies]
    summaries = {part: bytes(summary) for part, summary in seen.summaries.items()}
    return Admitted(seen.document.name, seen.digest, fingerprint, found, summaries)


class _Looker:
    """Looks at documents, each after those that its rules refer to."""

    def __init__(
        self, site: Site, options: Options, known: Mapping[str, Entry], memory: Memory, progress: Progress
    ) -> None:
        self._progress = progress
        self._site, self._options, self._known, self._memory = site, options, known, memory
        self.found: dict[str, Survey] = {}
        self._keys: dict[str, Hashes] = {}

    def look(self, documents: Iterable[Document]) -> None:
        """Look at documents once."""
        for document in documents:
            self.found[document.name] = self._look(document)

    def moved(self, document: Document, pause: float) -> bool:
        """Tell whether a file is another one than a moment ago."""
        path, seen = self._site.file(document), self.found[document.name]
        if seen.state in (SKIPPED, Stage.COMPLETE) or seen.from_memory:
            return False
        time.sleep(pause)
        if not path.exists():
            return seen.state != MISSING
        return seen.digest is not None and files.digest(path) != seen.digest

    def judge(self, unsettled: Iterable[Document]) -> None:
        """Say which files cannot be believed."""
        for document in unsettled:
            self.found[document.name].error = NotSettled(
                f"{document.file} changed every time it was looked at.",
                f"Stop {self._site.pack.name} and run the command again.",
                file=str(self._site.file(document)),
            )
        references = Counter({name: n for seen in self.found.values() for name, n in seen.references.items()})
        for seen in self.found.values():
            seen.accepted = seen.document.name in self._options.accept_source
            if seen.error is None and not seen.accepted and seen.state in (PRESENT, MISSING, DAMAGED):
                entry = self._known.get(seen.document.name)
                seen.error = plausible.doubt(self._site, seen, entry, references[seen.document.name])

    def _look(self, document: Document) -> Survey:
        path, entry = self._site.file(document), self._known.get(document.name)
        self._keys.pop(document.name, None)  # what refers to a file that is not read cannot be doubted
        complete = entry is not None and entry.stage is Stage.COMPLETE
        if complete or document.name in self._options.skip:
            return Survey(document, Stage.COMPLETE if complete else SKIPPED)
        if not path.exists():
            self._keys[document.name] = Hashes()
            return Survey(document, MISSING)
        if not path.is_file():
            return Survey(document, DAMAGED, error=Refused(f"{path.name} is not a file.", "Move it away."))
        before: str | None = None
        try:
            if entry is not None:
                before = files.digest(path)
                if (seen := self._memory.of(document, before)) and self._stand(seen):
                    return seen
            again = entry is not None and entry.state == DAMAGED and entry.digest == before
            return self._read(document, salvage=self._options.salvage or again)
        except (Damaged, OSError) as error:
            self._keys.pop(document.name, None)
            before = before or _digest_if_readable(path)
            if isinstance(error, Damaged):
                return Survey(document, DAMAGED, before, error=error)
            unreadable = Refused(f"{path.name} cannot be read: {error.strerror}.", "Make it readable.")
            return Survey(document, DAMAGED, before, error=unreadable)

    def _stand(self, seen: Survey) -> bool:
        """Tell whether the documents stand still that a remembered one refers to."""
        return all(self._state_of(name) == state for name, state in seen.refers.items())

    def _state_of(self, name: str) -> str:
        seen = self.found.get(name)
        return "" if seen is None else f"{seen.state} {seen.digest}"

    def _read(self, document: Document, *, salvage: bool) -> Survey:
        refers = {rule.refers for part in document.parts for rule in part.rules if rule.refers}
        for name in refers:
            if name in self.found and self.found[name].from_memory:  # its keys are needed
                self.found[name] = self._read(self._site.pack.document(name), salvage=False)
        self._progress.step("look", f"at {document.file}")
        seen = _Pass(self._site, document, self._keys, salvage=salvage).run(self._progress)
        seen.refers = {name: self._state_of(name) for name in refers}
        return seen


class _Pass:
    """One look at every record of a file, and a second one where something can only be named then."""

    def __init__(self, site: Site, document: Document, keys: dict[str, Hashes], *, salvage: bool) -> None:
        self._site, self._document, self._salvage = site, document, salvage
        self._keys = keys
        self._store = FileStore(site.file(document), document, site.vault, salvage=salvage)
        self._inspectors = {name: Inspector(part, site.vault, keys) for name, part in parts(document).items()}

    def run(self, progress: Progress) -> Survey:
        """Look."""
        seen, store = Survey(self._document, PRESENT), self._store
        self._first(seen, progress)
        if twice := store.names.twins():
            if not self._salvage:
                refuse_twins(store.path, self._document, twice)
            seen.twins |= twice
        seen.salvage = self._salvage and bool(seen.rest or twice or _has_mark(store.path))
        seen.state = DAMAGED if seen.salvage else PRESENT
        for name, inspector in self._inspectors.items():
            if inspector.needs_second:
                inspector.second(self._again(name, seen.count))
            seen.anomalies += inspector.kept
            seen.anomaly_count += inspector.count
            seen.references.update(inspector.references)
        if seen.twins:
            self._sum_again(seen)
        return seen

    def _again(self, name: str, count: int) -> Iterator[Record]:
        """Walk through the records that a second look has to see: few of a list are found by their places."""
        places = self._inspectors[name].places
        listed = self._document.shape is Shape.LIST and name == RECORDS and not self._salvage
        if listed and places is not None and len(places) * FEW <= count:
            return self._store.at(places)
        return (record for part, record in self._store.all() if part == name)

    def _first(self, seen: Survey, progress: Progress) -> None:
        size = self._store.path.stat().st_size
        hiding = {name: bool(part.hidden) for name, part in parts(self._document).items()}
        sums = seen.summaries = {name: Summary() for name in parts(self._document)}
        keys, twins, store = Hashes(), Hashes(), self._store
        self._keys[self._document.name] = keys
        for part, record in store.all():
            if seen.count % EVERY == 0:
                progress.at(record.stop, size)
            seen.count += 1
            sums[part].add(record)
            self._inspectors[part].first(record)
            if record.unfit:
                seen.unfit += 1
                continue
            twins.add((part, *record.key))
            keys.add(record.key[-1])
            if hiding[part]:
                _count_secrets(store.part(part), record.value, seen)
        keys.sort()
        seen.digest, seen.size, seen.rest = store.reading.digest, store.reading.size, store.rest
        seen.envelope, seen.twins = store.envelope.text, twins.twins()

    def _sum_again(self, seen: Survey) -> None:
        """Add up once more now that it is known which keys occur twice, and so are known by their places."""
        store = FileStore(self._store.path, self._document, self._site.vault, seen.twins, salvage=self._salvage)
        seen.summaries = {name: Summary() for name in parts(self._document)}
        twice = 0
        for part, record in store.all():
            seen.summaries[part].add(record)
            if record.unfit and record.key:
                twice += 1
                if twice <= CAP:
                    seen.anomalies.append(Anomaly(DUPLICATE_KEY, record.key, record.element.pointer, record.start))
        seen.anomaly_count += twice


def _digest_if_readable(path: Path) -> str | None:
    try:
        return files.digest(path)
    except OSError:
        return None


def _has_mark(path: Path) -> bool:
    with path.open("rb") as stream:
        return stream.read(3) == b"\xef\xbb\xbf"


def _count_secrets(part: Part, value: object, seen: Survey) -> None:
    """Count what looks sealed (each once) and what stands in clear text."""
    for _, secret, hidden in secrets_in(part, value):
        text = secret.reveal()
        if hidden.kind == "hash":
            continue
        if not isinstance(text, str) or not looks_sealed(text):
            seen.plain += 1
        elif is_envelope(text):
            seen.envelopes.add(text)
