"""A table, with its child tables, as a home of records."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import repeat
from operator import itemgetter
from typing import Any, Final, NamedTuple

from ..codecs import comparable
from ..documents.writer import LAST
from ..engines.sqlite import NOW, Connection, columns_of, insert_many, pieces, quoted
from ..errors import BadPack, CouldNotCheck
from ..mapping import Mapper, Row, key_of_column
from ..pack import Document, Hidden, Part
from ..record import Record
from ..secrets import HERE, LOOKS_SEALED, SEALED, SEALED_HERE, Place, Vault, is_envelope, secrets_in
from ..shapes import Element, Shape
from ..values import dumps, reveal
from .children import Children

BATCH: Final = 400  # keys that are asked for at once
PLACE: Final = "coalesce(position, 4611686018427387904)"  # what a foreign hand added without a place comes last
PLACED: Final = "CASE WHEN position < '' THEN position END"  # the place of a row, unless a foreign hand made it a text
_STAMP: Final = "updated_at"  # a member that a trigger may change, unlike a part's `stamp`

Key = tuple[str, ...]


class Edit(NamedTuple):
    """A record as its row shall be, and the columns that differ: what they hold, and what they are to hold."""

    row: Row
    cells: dict[str, tuple[Any, Any]]


class TableStore:
    """Reads and writes the records of one part of a document in its table.

    Only mapped columns, and the stamp, are ever written; what only the database knows stays. Raises BadPack when the
    mapping names a column that the table does not have.
    """

    def __init__(self, connection: Connection, document: Document, part: Part, vault: Vault) -> None:
        self.connection, self.document, self.part, self.vault = connection, document, part, vault
        self._mapper = Mapper(document, part)
        self.named = self._mapper.named  # the column with the name that a record has in its map, if there is one
        self._hiding = bool(part.hidden)
        last = [name for name, _, _ in self._mapper.of_key]
        data = [*part.columns, *part.views, *(name for name in part.derived if name not in last)]
        data += ["extra", "members", *(["secret_state"] if self._hiding else []), "position"]
        self._edited, self._columns = data, [*data, *last]
        self._check_names()
        self.table = quoted(part.table)
        self._children = Children(connection, part)
        self._seen = f"temp.{quoted('_mm_seen_' + part.table)}"
        self._matches = " AND ".join(f"{quoted(name)} = ?" for name in part.key)
        self.scope = (
            " AND ".join(f"{quoted(name)} = '{document.name}'" for name in part.key if part.document_key) or "TRUE"
        )
        self._prepare()

    def _prepare(self) -> None:
        names = ", ".join(map(quoted, self._columns))
        self._all, self._cells = itemgetter(*self._columns), itemgetter(*self._edited)
        self._select = f"SELECT {names} FROM {self.table}"
        self._select_numbered = f"SELECT {names}, rowid FROM {self.table}"
        self._insert = f"INSERT INTO {self.table} ({names}) VALUES"
        linked = [name for name, derived in self.part.derived.items() if derived.by == "link"]
        self._telling = frozenset((*self.part.columns, *self.part.views, "extra"))  # what the app says
        self._changing = frozenset(self._edited).difference(self.part.key, linked)
        self._silent = frozenset(("position", *self.part.derived))  # and what it does not

    def _check_names(self) -> None:
        wanted = {self.part.table: set(self._columns)}
        if self.part.stamp:
            wanted[self.part.table].add(self.part.stamp)
        for table, child in self.part.children.items():
            wanted[table] = {child.parent, "position", *child.columns, "extra", "members"}
        for table, names in wanted.items():
            there = columns_of(self.connection, table)
            if not there:
                raise CouldNotCheck(
                    f"The database has no table `{table}` for {self.document.name}.",
                    "Run `mediaos-migrate migrate`; if it was there before, `mediaos-migrate schema verify` tells.",
                )
            if missing := sorted(names - there):
                raise BadPack(
                    f"The mapping of `{self.document.name}` names {', '.join(missing)}, "
                    f"which the table `{table}` does not have.",
                    "Bring the schema up with `mediaos-migrate schema up`, or mend the pack.",
                )

    def walk(self, clause: str, values: Sequence[Any] = ()) -> Iterator[Record]:
        """Walk through the records that a checked clause (WHERE, ORDER BY, LIMIT) finds, in its order."""
        rows = self.connection.execute(f"{self._select} {clause}", values)
        for batch in pieces(rows):
            yield from self._records(batch)

    def by_rowid(self, numbers: Sequence[int]) -> list[Record]:
        """Return the records in these rows, in this order."""
        found: dict[int, Record] = {}
        for start in range(0, len(numbers), BATCH):
            some = numbers[start : start + BATCH]
            sql = f"{self._select_numbered} WHERE rowid IN ({', '.join('?' * len(some))})"
            rows = self.connection.execute(sql, some).fetchall()
            found.update(zip((row[-1] for row in rows), self._records(rows), strict=True))
        return [found[number] for number in numbers if number in found]

    @property
    def placed(self) -> str:
        """Say the place of a row such that an index can serve it: what has none comes last, where there is such."""
        sql = f"SELECT EXISTS (SELECT 1 FROM {self.table} WHERE position IS NULL)"
        return PLACE if self.connection.execute(sql).fetchone()[0] else "position"

    def last_position(self) -> int:
        """Return the greatest position in the table and in quarantine, -1 when there is none; a text is none."""
        sql = (
            f"SELECT coalesce(max(place), -1) FROM (SELECT max(position) AS place FROM {self.table} "
            "WHERE position < '' UNION ALL SELECT max(position) FROM _mm_quarantine WHERE document = ?)"
        )
        return int(self.connection.execute(sql, (self.document.name,)).fetchone()[0])

    def among(self, select: str, terms: Sequence[str], wanted: Sequence[Sequence[Any]]) -> Iterator[list[sqlite3.Row]]:
        """Find the rows in which these terms have one of the sets of values, some at a time."""
        mark, size = f"({', '.join('?' * len(terms))})", BATCH // len(terms)
        names = [f"_mm_{number}" for number in range(len(terms))]
        same = " AND ".join(f"{term} = {name}" for term, name in zip(terms, names, strict=True))
        for start in range(0, len(wanted), size):
            some = wanted[start : start + size]
            # A join: for an IN with several columns SQLite would rather look at every row than use their index.
            sql = (
                f"WITH _mm_wanted ({', '.join(names)}) AS (VALUES {', '.join([mark] * len(some))}) "
                f"{select} JOIN _mm_wanted ON {same} WHERE {self.scope}"
            )
            yield self.connection.execute(sql, [value for values in some for value in values]).fetchall()

    def count(self) -> int:
        """Return how many records the table holds."""
        return int(self.connection.execute(f"SELECT count(*) FROM {self.table} WHERE {self.scope}").fetchone()[0])

    def holds_plain(self) -> bool:
        """Tell whether a credential stands in clear text in the table."""
        if not self._hiding:
            return False
        sql = f"SELECT 1 FROM {self.table} WHERE {self.scope} AND secret_state LIKE '%\"plain\"%' LIMIT 1"
        return self.connection.execute(sql).fetchone() is not None

    def secrets(self, state: str = "") -> Iterator[tuple[Key, str, Any, str, Hidden]]:
        """Walk through the secrets as they stand in the table: key, path, value, state, what the pack says.

        `state` narrows it to rows that have a secret in a state that begins so.
        """
        if not self._hiding:
            return
        rows = self.connection.execute(
            f"{self._select} WHERE {self.scope} AND (?1 = '' OR secret_state LIKE '%\"' || ?1 || '%')", (state,)
        )
        for batch in pieces(rows):
            for row, mine in self._with_children(batch):
                key, states = self._key(row), _states(row["secret_state"])
                for path, found, hidden in secrets_in(self.part, self._mapper.value(row, mine)):
                    yield key, path, found, states.get(path, ""), hidden

    def sealed_by_us(self) -> Iterator[tuple[str, Place]]:
        """Walk through the envelopes in the table that are ours, not the app's, and their places."""
        for key, path, found, state, _ in self.secrets(SEALED_HERE):
            if state in HERE and isinstance(found, str):
                yield found, Place(self.part.table, path, key)

    def envelopes(self) -> Iterator[str]:
        """Walk through the values in the table that the app sealed."""
        for record in self.all() if self._hiding else ():
            for _, secret, _ in secrets_in(self.part, record.value):
                text = secret.reveal()
                if secret.state in (SEALED, LOOKS_SEALED) and is_envelope(text):
                    yield text

    def all(self) -> Iterator[Record]:
        """Walk through all records in the order of the file; foreign hands add at the end of it, or of a list."""
        return self.walk(f"WHERE {self.scope} ORDER BY {self._gathering}{self.placed}, rowid")

    @property
    def _gathering(self) -> str:
        """Begin an order such that the elements of a list stand together, as in the file: each is there once."""
        if self.document.shape is not Shape.LISTS or self.part is not self.document.records or self.named is None:
            return ""
        return f"min({PLACE}) OVER (PARTITION BY {quoted(self.named)}), {quoted(self.named)}, "

    def get(self, keys: Sequence[Key]) -> dict[Key, Record]:
        """Return the records with these keys, as many as there are."""
        return self.read(self.rows_of(keys))

    def read(self, rows: Mapping[Key, sqlite3.Row]) -> dict[Key, Record]:
        """Make records of rows."""
        there = list(rows.values())
        parts = (there[start : start + BATCH] for start in range(0, len(there), BATCH))
        return dict(zip(rows, (record for part in parts for record in self._records(part)), strict=True))

    def rows_of(self, keys: Sequence[Key]) -> dict[Key, sqlite3.Row]:
        """Return the rows with these keys as they are stored, as many as there are."""
        found: dict[Key, sqlite3.Row] = {}
        wanted = [key for key in keys if all(map(comparable, key))]
        for rows in self.among(self._select, list(map(quoted, self.part.key)), wanted):
            found.update((self._key(row), row) for row in rows)
        return found

    def _records(self, rows: Sequence[sqlite3.Row]) -> Iterator[Record]:
        for row, mine in self._with_children(rows):
            key, position = self._key(row), row["position"]
            value = self._mapper.value(row, mine)
            if self._hiding:
                value = self.vault.restore(self.part, value, _states(row["secret_state"]), key)
            element = Element(None if self.named is None else key_of_column(row[self.named]), value, "")
            yield Record(key, value, element, position if type(position) is int else None)

    def _with_children(
        self, rows: Sequence[sqlite3.Row]
    ) -> Iterator[tuple[Mapping[str, Any], dict[str, list[Mapping[str, Any]]]]]:
        named = (dict(zip(self._columns, row, strict=False)) for row in rows)
        if not self.part.children:
            yield from zip(named, repeat({}), strict=False)
            return
        children = self._children.of(rows)
        for row in named:
            yield row, {table: found.get(self._key(row)[0], []) for table, found in children.items()}

    def name(self, row: sqlite3.Row) -> str | None:
        """Return the name that a row's record has in its map."""
        return None if self.named is None else key_of_column(row[self.named])

    def _key(self, row: Mapping[str, Any] | sqlite3.Row) -> Key:
        return tuple([key_of_column(row[name]) for name in self.part.key])

    def rows(self, record: Record) -> Row:
        """Map a record to its row, secrets sealed if they are to be, but for what is derived from its key."""
        value, states = record.value, dict[str, str]()
        if self._hiding:
            value, states = self.vault.store(self.part, reveal(value), record.key)
        row = self._mapper.row(record.key, record.element.name, value)
        row.columns["secret_state"] = dumps(states) if states else None
        row.columns["position"] = record.position
        return row

    def insert(self, records: Sequence[Record]) -> None:
        """Add records that the table does not hold."""
        rows = [self.rows(record) for record in records]
        for row in rows:
            row.columns.update((name, fill(row.columns[of])) for name, of, fill in self._mapper.of_key)
        insert_many(self.connection, self._insert, [self._all(row.columns) for row in rows])
        self._children.replace(rows)  # a foreign hand may have left some

    def update(self, records: Sequence[Record]) -> None:
        """Change records that the table holds."""
        there = self.rows_of([record.key for record in records])
        self.write([self.compare(record, there[record.key]) for record in records if record.key in there])

    def compare(self, record: Record, there: sqlite3.Row) -> Edit:
        """Tell what a record changes in its row."""
        row = self.rows(record)
        cells = zip(self._edited, there, self._cells(row.columns), strict=False)
        changing = self._changing
        # 1 and 1.0 are equal, and not the same.
        differing = {
            name: (old, new)
            for name, old, new in cells
            if new is not old and (new != old or type(new) is not type(old)) and name in changing
        }
        for name, of, fill in self._mapper.of_key:
            if there[name] is None and (new := fill(row.columns[of])) is not None:
                differing[name] = (None, new)
        return Edit(row, differing)

    def before(self, value: Any, edit: Edit) -> Any:
        """Return the value that a record had before an edit, None when one has to look at its row."""
        if self._hiding:
            return None
        return self._mapper.undone(value, {n: old for n, (old, _) in edit.cells.items() if n not in self._silent})

    def write(self, edits: Sequence[Edit]) -> None:
        """Change rows: the columns that differ only, as each costs its indexes."""
        alike: dict[tuple[str, ...], list[list[Any]]] = {}
        for row, cells in edits:
            if cells:
                alike.setdefault(tuple(cells), []).append([*(new for _, new in cells.values()), *row.key])
        for names, values in alike.items():
            sets = [f"{quoted(name)} = ?" for name in names]
            if self.part.stamp and not self._telling.isdisjoint(names):
                now = self.connection.execute(f"SELECT {NOW}").fetchone()[0]
                sets.insert(0, f"{quoted(self.part.stamp)} = '{now}'")
            self.connection.executemany(f"UPDATE {self.table} SET {', '.join(sets)} WHERE {self._matches}", values)
        if _STAMP in self.part.columns:
            # A trigger took "changed, but with the same time" for a change without a time.
            self.connection.executemany(
                f"UPDATE {self.table} SET {_STAMP} = ? WHERE {self._matches} AND {_STAMP} IS NOT ?",
                [(row.columns[_STAMP], *row.key, row.columns[_STAMP]) for row, _ in edits],
            )
        self._children.replace([row for row, _ in edits])

    def strays(self, documents: Collection[str] = ()) -> Iterator[tuple[str, Key]]:
        """Walk through what belongs to nobody: child rows without a parent, and shared rows of no document."""
        if self.part.document_key and documents:
            marks = ", ".join("?" * len(documents))
            name = quoted(self.part.key[0])
            rows = self.connection.execute(
                f"SELECT {name} FROM {self.table} WHERE {name} NOT IN ({marks})", [*documents]
            )
            yield from ((self.part.table, (key_of_column(row[0]),)) for row in rows)
        yield from self._children.strays()

    def remove_strays(self, documents: Collection[str] = ()) -> None:
        """Remove what belongs to nobody."""
        for table, key in list(self.strays(documents)) if self.part.document_key else ():
            self.connection.execute(f"DELETE FROM {quoted(table)} WHERE {quoted(self.part.key[0])} = ?", key)
        self._children.remove_strays()

    def move(self, moves: Sequence[tuple[int, Key]]) -> None:
        """Give records another position."""
        self.connection.executemany(
            f"UPDATE {self.table} SET position = ? WHERE {self._matches}",
            [(place, *key) for place, key in moves],
        )

    def place(self, key: Key) -> int | None:
        """Return the position of a record (by the first columns of its key, if not by all), or None."""
        names = [quoted(name) for name in self.part.key[: len(key)]]
        row = self.connection.execute(
            f"SELECT count(*), min({PLACED}) FROM {self.table} WHERE {' AND '.join(f'{n} = ?' for n in names)}",
            key,
        ).fetchone()
        return None if not row[0] else LAST if row[1] is None else int(row[1])

    def count_from(self, position: int) -> int:
        """Return how many records stand at a position or after it."""
        sql = f"SELECT count(*) FROM {self.table} WHERE {self.scope} AND (position >= ? OR position IS NULL)"
        return int(self.connection.execute(sql, (position,)).fetchone()[0])

    def remove(self, keys: Sequence[Key]) -> None:
        """Remove records, and their child rows with them."""
        self._children.remove(keys)
        self.connection.executemany(f"DELETE FROM {self.table} WHERE {self._matches}", keys)

    def watch(self) -> None:
        """Begin to note which records a pass has seen, so that `unseen` can tell which it has not."""
        self.connection.execute(f"DROP TABLE IF EXISTS {self._seen}")
        names = ", ".join(f"k{number} TEXT" for number in range(len(self.part.key)))
        keys = ", ".join(f"k{number}" for number in range(len(self.part.key)))
        self.connection.execute(f"CREATE TABLE {self._seen} ({names}, PRIMARY KEY ({keys})) WITHOUT ROWID")

    def saw(self, keys: Sequence[Key]) -> None:
        """Note that a pass has seen these records."""
        self.connection.executemany(
            f"INSERT OR IGNORE INTO {self._seen} VALUES ({', '.join('?' * len(self.part.key))})", keys
        )

    def unseen(self) -> Iterator[list[Key]]:
        """Find the records that the pass has not seen, some at a time; the caller removes them."""
        names = ", ".join(map(quoted, self.part.key))
        sql = (
            f"SELECT {names} FROM {self.table} WHERE {self.scope} "
            f"AND ({names}) NOT IN (SELECT * FROM {self._seen}) LIMIT {BATCH}"
        )
        while found := [tuple(row) for row in self.connection.execute(sql)]:
            yield found
        self.connection.execute(f"DROP TABLE {self._seen}")

    def link(self, keys: Sequence[Key] | None = None) -> None:
        """Point each linked column to the record it names, where that record exists: of all records, or of these."""
        for name, derived in self.part.derived.items():
            if derived.by != "link":
                continue
            column, of = quoted(name), quoted(derived.of)
            target = self.connection.execute(
                "SELECT [table], [to] FROM pragma_foreign_key_list(?) WHERE [from] = ?",
                (self.part.table, name),
            ).fetchone()
            if target is None:
                raise BadPack(f"The linked column `{name}` of `{self.part.table}` is no foreign key.", "Mend the pack.")
            table, to = map(quoted, target)
            found = f"(SELECT t.{to} FROM {table} t WHERE t.{to} = {self.table}.{of})"
            sql = f"UPDATE {self.table} SET {column} = {found} WHERE {column} IS NOT {found}"
            if keys is None:
                self.connection.execute(sql)
            else:
                self.connection.executemany(f"{sql} AND {self._matches}", keys)


def _states(text: Any) -> dict[str, str]:
    try:
        states = json.loads(text) if text else {}
    except ValueError:
        return {}
    return states if isinstance(states, dict) else {}
