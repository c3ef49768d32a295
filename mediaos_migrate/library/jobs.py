"""A queue of jobs in the database: no job is done by two workers, and none is lost with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any, ClassVar, Final

from ..codecs import from_json, key_text
from ..engines.sqlite import Connection, quoted
from ..errors import NoRecord, Refused, UsageError
from ..pack import Queue
from ..stores.file import RECORDS
from ..values import dumps, of_python, to_python
from .host import Host
from .query import refuse_limit
from .second import spoken
from .service import Clock, Service, instant, kept, lasting, now

LEASE: Final = 60.0  # seconds that a worker may be silent
ATTEMPTS: Final = 5  # then a job has failed
FIRST_PAUSE: Final = timedelta(seconds=30)  # before the second attempt, and twice as long before each further one
LONGEST_PAUSE: Final = timedelta(hours=1)
CANCELLED: Final = "cancelled"  # the error of a job that was withdrawn; the plan's states know no such thing
LOST: Final = "its workers died"

_WAITING: Final = "status IN ('pending', 'queued')"
_LAPSED: Final = "status = 'running' AND coalesce(lease_until, '') <= :now"
_FREE: Final = f"({_WAITING} AND coalesce(due_at, '') <= :now) OR ({_LAPSED})"
_OPEN: Final = "status IN ('pending', 'queued', 'running')"
_MINE: Final = "id = :id AND status = 'running' AND worker = :worker AND attempts = :attempts"


class LostLease(Refused):
    """A job is no longer this worker's: it was silent for too long, or the job was cancelled."""


@dataclass(frozen=True, slots=True)
class Job:
    """One job as it was last seen. `status` is pending, queued (the app's word for it), running, completed, failed."""

    id: str
    item_id: str | None
    kind: str | None
    title: str | None
    phase: str | None
    status: str
    priority: int
    attempts: int
    worker: str | None
    lease_until: str | None
    due_at: str | None
    created_at: str | None
    started_at: str | None
    completed_at: str | None
    error: str | None
    result: Any

    @property
    def cancelled(self) -> bool:
        """Whether the job was withdrawn."""
        return self.status == "failed" and self.error == CANCELLED


@dataclass(frozen=True, slots=True)
class Stats:
    """How many jobs there are in each state; `lapsed` are running ones whose worker is silent."""

    pending: int
    running: int
    completed: int
    failed: int
    lapsed: int
    oldest: str | None  # since when the pending job waits that waits longest


_FIELDS: Final = tuple(field.name for field in fields(Job))


class Jobs(Service):
    """The queue of an app's jobs, for any number of workers in any number of processes."""

    _columns: ClassVar = frozenset({*_FIELDS, "library_item_id"})

    def __init__(self, site: Host, queue: Queue, clock: Clock = now, attempts: int = ATTEMPTS) -> None:
        super().__init__(site, queue.table, clock)
        self._items, self._most = queue.items, attempts

    @spoken
    def enqueue(self, item: Any, *, phase: str = "all", priority: int = 0, again: bool = False) -> Job:
        """Ask for a job on an item: a record, or the key of one. The highest priority is done first.

        An item whose job is still open gets no second one, unless `again`; the open one gets the higher priority
        of the two and is returned. Raises NoRecord, and UsageError for a priority that is no whole number.
        """
        if type(priority) is not int:  # a text would come before every number
            raise UsageError("A priority is a whole number.", "Give a higher one to what is to be done first.")
        given = {**self._of(item), "phase": kept(phase, "A phase"), "priority": priority, "now": self._now()}
        with self._writing() as connection:
            known = connection.execute(
                f"SELECT id FROM {self._table} WHERE item_id = :item_id AND kind IS :kind AND phase IS :phase "
                f"AND {_OPEN} ORDER BY rowid LIMIT 1",
                given,
            ).fetchone()
            if known and not again:
                sql = f"UPDATE {self._table} SET priority = max(coalesce(priority, 0), :priority) WHERE id = :id"
                return self._one(connection, sql, {**given, "id": known["id"]})
            part = self._site.pack.documents[self._items].records
            link = f"(SELECT {quoted(part.key[0])} FROM {quoted(part.table)} WHERE {quoted(part.key[0])} = :item_id)"
            return self._one(
                connection,
                f"INSERT INTO {self._table} (library_item_id, item_id, kind, title, phase, priority, created_at) "
                f"VALUES ({link}, :item_id, :kind, :title, :phase, :priority, :now)",
                given,
            )

    def _of(self, item: Any) -> dict[str, str | None]:
        """Name an item: its key, kind and title."""
        if isinstance(item, str):
            key, item = item, self._site.repository(self._items, RECORDS, None).get(item)
            if item is None:
                raise NoRecord(f"{self._items} has no record {key}.", "Enqueue a record that it has.")
        part = self._site.pack.documents[self._items].records
        columns = {"item_id": part.columns.get(part.key[0]), "kind": part.columns.get("kind")}
        columns["title"] = part.columns.get("title")
        found = {name: item.get(c.member) if c and isinstance(item, Mapping) else None for name, c in columns.items()}
        named = key_text(of_python(found["item_id"]))
        if named is None:
            raise UsageError("This item has no key.", f"Enqueue a record of {self._items}, or its key.")
        words = {name: value if isinstance(value, str) else None for name, value in found.items()}
        return {**words, "item_id": named}

    @spoken
    def claim(self, worker: str, lease: float = LEASE) -> Job | None:
        """Take the next job, or None when there is none to be done now; it is the worker's for `lease` seconds."""
        given = {
            "worker": kept(worker, "A worker's name"),
            "now": self._now(),
            "until": self._in(lease),
            "most": self._most,
            "lost": LOST,
        }
        # A worker without work asks often, and must not keep the others from writing.
        if not self._connection().execute(f"SELECT 1 FROM {self._table} WHERE {_FREE} LIMIT 1", given).fetchone():
            return None
        with self._writing() as connection:
            connection.execute(
                f"UPDATE {self._table} SET status = 'failed', error = :lost, completed_at = :now, worker = NULL, "
                f"lease_until = NULL WHERE {_LAPSED} AND attempts >= :most",
                given,
            )
            return self._any(
                connection,
                f"UPDATE {self._table} SET status = 'running', worker = :worker, lease_until = :until, due_at = NULL, "
                f"attempts = coalesce(attempts, 0) + 1, started_at = :now WHERE rowid = (SELECT rowid FROM "
                f"{self._table} WHERE {_FREE} ORDER BY coalesce(priority, 0) DESC, created_at, rowid LIMIT 1)",
                given,
            )

    def heartbeat(self, job: Job, lease: float = LEASE) -> Job:
        """Say that the worker is alive: the job is its own for `lease` seconds from now. Raises LostLease."""
        return self._settle(job, "lease_until = :until", until=self._in(lease))

    def complete(self, job: Job, result: Any = None) -> Job:
        """Say that a job is done, with any JSON for a result. Raises LostLease, and UsageError for no JSON."""
        told = None if result is None else _told(result)
        changes = "status = 'completed', completed_at = :now, lease_until = NULL, error = NULL, result = :result"
        return self._settle(job, changes, result=told)

    def fail(self, job: Job, error: str, *, retry: bool = True) -> Job:
        """Say that a job could not be done: it is tried again after a pause, and has failed after five attempts.

        Raises LostLease.
        """
        error = kept(error, "An error")
        if not retry or job.attempts >= self._most:
            changes = "status = 'failed', completed_at = :now, lease_until = NULL, error = :error"
            return self._settle(job, changes, error=error)
        pause = min(FIRST_PAUSE * 2 ** (job.attempts - 1), LONGEST_PAUSE)
        changes = "status = 'pending', due_at = :due, worker = NULL, lease_until = NULL, error = :error"
        return self._settle(job, changes, error=error, due=instant(self._clock() + pause))

    @spoken
    def _settle(self, job: Job, changes: str, **given: Any) -> Job:
        mine = {"id": job.id, "worker": job.worker, "attempts": job.attempts, "now": self._now(), **given}
        with self._writing() as connection:
            found = self._any(connection, f"UPDATE {self._table} SET {changes} WHERE {_MINE}", mine)
        if found is None:
            raise LostLease(f"The job {job.id} is not {job.worker}'s any more.", "Leave it, and claim another.")
        return found

    @spoken
    def cancel(self, job: Job | str) -> bool:
        """Withdraw a job that is not done yet, and tell whether there was one; who works on it loses its lease."""
        given = {
            "id": job.id if isinstance(job, Job) else kept(job, "A job's id"),
            "now": self._now(),
            "error": CANCELLED,
        }
        with self._writing() as connection:
            changes = "status = 'failed', error = :error, completed_at = :now, worker = NULL, lease_until = NULL"
            sql = f"UPDATE {self._table} SET {changes} WHERE id = :id AND {_OPEN}"
            return self._any(connection, sql, given) is not None

    @spoken
    def get(self, job: str) -> Job | None:
        """Return a job by its id, or None when there is none."""
        row = (
            self._connection()
            .execute(f"SELECT * FROM {self._table} WHERE id = ?", (kept(job, "A job's id"),))
            .fetchone()
        )
        return _job(row) if row else None

    @spoken
    def list(self, status: str | None = None, item: str | None = None, limit: int = 100) -> Sequence[Job]:
        """Return jobs, the newest first: those in a state, or those of an item by its key."""
        refuse_limit(limit)
        rows = self._connection().execute(
            f"SELECT * FROM {self._table} WHERE (?1 IS NULL OR status = ?1) AND (?2 IS NULL OR item_id = ?2) "
            "ORDER BY created_at DESC, rowid DESC LIMIT ?3",
            (*(None if asked is None else kept(asked, "What is asked for") for asked in (status, item)), limit),
        )
        return [_job(row) for row in rows.fetchall()]

    @spoken
    def stats(self) -> Stats:
        """Count the jobs."""
        row = self._connection().execute(
            f"SELECT count(*) FILTER (WHERE {_WAITING}), count(*) FILTER (WHERE status = 'running'), "
            "count(*) FILTER (WHERE status = 'completed'), count(*) FILTER (WHERE status = 'failed'), "
            f"count(*) FILTER (WHERE {_LAPSED}), min(created_at) FILTER (WHERE {_WAITING}) FROM {self._table}",
            {"now": self._now()},
        )
        return Stats(*row.fetchone())

    def _in(self, seconds: float) -> str:
        return instant(self._clock() + lasting(seconds))

    def _one(self, connection: Connection, sql: str, given: Mapping[str, Any]) -> Job:
        [row] = connection.execute(f"{sql} RETURNING *", given).fetchall()
        return _job(row)

    @staticmethod
    def _any(connection: Connection, sql: str, given: Mapping[str, Any]) -> Job | None:
        rows = connection.execute(f"{sql} RETURNING *", given).fetchall()
        return _job(rows[0]) if rows else None


def _told(result: Any) -> str:
    try:
        return dumps(of_python(result))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"A job's result cannot be kept: {error}.", "Give what JSON knows.") from None


def _job(row: Any) -> Job:
    found = {name: row[name] for name in _FIELDS}
    result = None if found["result"] is None else to_python(from_json(found["result"]))
    known = {"result": result, "priority": found["priority"] or 0, "attempts": found["attempts"] or 0}
    return Job(**{**found, **known})
