"""Finding the records of a table that are alike in what has to be unique."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from ..codecs import CODECS
from ..engines.sqlite import quoted
from ..mapping import key_of_column
from ..pack import Rule
from ..record import Record
from .table import Key, TableStore


class Alike:
    """Looks for records by the members that a rule wants to be unique, as far as columns tell what a record has."""

    def __init__(self, store: TableStore, rule: Rule) -> None:
        self._store, self._part, self._lowered = store, store.part, rule.lower
        column_of = {column.member: name for name, column in self._part.columns.items()}
        self._columns = {member: column_of[member] for member in rule.unique}
        veiled = {hidden.at[0] for hidden in self._part.hidden}  # members whose columns say something else
        veiled |= {column.member for column in self._part.columns.values() if column.codec == "json"}
        self._veiled = veiled.intersection(rule.unique)

    @property
    def columns(self) -> Mapping[str, str]:
        """The columns of the members; none unless a text in each of them is what the record has."""
        return {} if self._veiled or not set(self._columns.values()).isdisjoint(self._part.key) else self._columns

    def find(self, wanted: Iterable[Sequence[Any]]) -> Iterator[Key]:
        """Walk through the keys of records whose columns have one of these sets of values, case aside where asked."""
        terms = [self._lower(name) if m in self._lowered else quoted(name) for m, name in self._columns.items()]
        values = [
            [
                _lowered(value) if member in self._lowered else value
                for member, value in zip(self._columns, some, strict=True)
            ]
            for some in wanted
        ]
        keys = ", ".join(map(quoted, self._part.key))
        for rows in self._store.among(f"SELECT {keys} FROM {self._store.table}", terms, values):
            yield from (tuple(map(key_of_column, row)) for row in rows)

    def holds(self, values: Sequence[Any]) -> bool:
        """Tell whether records with these values have them in columns, as they are: so `find` finds them."""
        codecs = [CODECS[self._part.columns[name].codec] for name in self._columns.values()]
        return not self._veiled and all(
            codec.fit(value) is not None for codec, value in zip(codecs, values, strict=True)
        )

    def beside(self) -> Iterator[Record]:
        """Walk through the records that may have values elsewhere than in columns, as they are."""
        yield from self._store.walk(f"WHERE {self._store.scope} AND {'TRUE' if self._veiled else 'extra IS NOT NULL'}")

    def _lower(self, column: str) -> str:
        """Say a column in small letters: by the column that is derived so, else as the app lowers them."""
        derived = (name for name, d in self._part.derived.items() if d.by == "lower" and d.of == column)
        if name := next(derived, None):
            return quoted(name)
        # SQLite's own lower() knows ASCII only.
        self._store.connection.create_function("_mm_lower", 1, _lowered, deterministic=True)
        return f"_mm_lower({quoted(column)})"


def _lowered(value: Any) -> Any:
    return value.lower() if isinstance(value, str) else value
