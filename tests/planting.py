"""A site whose every column is filled, and every fault that can be planted in it, from the pack and its schema alone."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from conftest import FIXTURES, KEY

from mediaos_migrate import pack as packs
from mediaos_migrate.codecs import CODECS
from mediaos_migrate.moves import migrating, validating
from mediaos_migrate.moves.surveyed import Options
from mediaos_migrate.moves.validating import Query, Validation
from mediaos_migrate.pack import Column, Document, Hidden, Pack, Part
from mediaos_migrate.secrets import Vault
from mediaos_migrate.shapes import Shape
from mediaos_migrate.site import Site
from mediaos_migrate.values import Number, dumps, loads

PACKS = {
    p.parent.name: p.parent
    for p in sorted((*FIXTURES.glob("packs/*/mapping.toml"), *FIXTURES.parent.glob("schema/*/mapping.toml")))
}
A, B, BARE = "fill-a", "fill-b", "fill-bare"
WHOLE = "(the value itself)"
OURS = ("extra", "members", "position", "secret_state")
LATER = "coalesce(position, 0) + 1000"
vault = Vault(KEY)


@cache
def load(name: str) -> Pack:
    return packs.load(str(PACKS[name]))


# ── a site in which no column is empty ──


def example(codec: str, n: int) -> Any:
    """Return the n-th value that fits a column."""
    return {
        "text": f"text {n}",
        "integer": 100 + n,
        "real": n + 0.5,
        "flag": n % 2 == 0,
        "instant": f"2026-01-0{n}T00:00:00.000Z",
        "json": {"k": n, "list": [n, n + 1]},
        "secret": secret(Hidden(at=("any",)), n),
    }[codec]


def secret(hidden: Hidden, n: int) -> str:
    """Return a secret; the first one is sealed in the file, the second one stands there in clear text."""
    return {
        "credential": f"secret {n}" if n == 2 else vault.seal(f"secret {n}"),
        "hash": f"{n:032x}:{n:0128x}",
        "url": f"http://me:pw{n}@host.example/{n}",
    }[hidden.kind]


def put(value: dict, path: tuple[str, ...], leaf: Any) -> None:
    for step in path[:-1]:
        value = value.setdefault("one" if step == "*" else step, {})
    value["one" if path[-1] == "*" else path[-1]] = leaf


def record(part: Part, name: str, n: int) -> dict[str, Any]:
    """Make a record with every member that the part knows, one that it does not, and in no usual order."""
    value: dict[str, Any] = {"unmapped": f"more {n}"}
    for column, how in part.columns.items():
        if not how.member.startswith("$"):
            value[how.member] = name if column in part.key else example(how.codec, n)
    for view in part.views.values():
        put(value, (part.columns[view.of].member, *view.path), example(view.codec, n))
    for child in part.children.values():
        value[child.member] = [item(child.columns, n + more) for more in range(3)]
    for hidden in part.hidden:
        put(value, hidden.at, secret(hidden, n))
    return value | dict.fromkeys(part.echo, name)


def item(columns: dict[str, Column], n: int) -> dict[str, Any]:
    return {"unmapped": f"more {n}"} | {how.member: example(how.codec, n) for how in columns.values()}


def bare(part: Part) -> dict[str, Any]:
    named = {how.member: BARE for column, how in part.columns.items() if column in part.key and how.member[0] != "$"}
    return dict.fromkeys(part.echo, BARE) | named | {"unset": None}


def entries(part: Part) -> dict[str, Any]:
    return {A: record(part, A, 1), B: record(part, B, 2), BARE: bare(part)}


BAD = {"bad\x00one": {"lost": 1}, "bad\x00two": {"lost": 2}}  # no database can hold such a name


def fill(document: Document, value: Any) -> Any:
    """Add to a document's value what fills its tables, its quarantine and its envelope."""
    part = document.records
    if document.shape is Shape.ONE:
        whole = {**(value if isinstance(value, dict) else {}), "k": 1, "list": [1, 2], "text": "one"}
        for hidden in part.hidden:
            put(whole, hidden.at, secret(hidden, 1))
        return whole
    value = value or {}
    if document.shape is Shape.LIST:
        added = [*entries(part).values(), {"lost": 1}, {"lost": 2}]
        siblings = (
            entries(document.siblings) | BAD if document.siblings else {"planted": {"b": Number("1.0"), "a": [1, 2]}}
        )
        return {**value, document.under: [*value.get(document.under, ()), *added], **siblings}
    if document.shape is Shape.VALUES:
        return {**value, A: 101, B: 102, "odd-a": {"k": 1}, "odd-b": {"k": 2}, **BAD}
    if document.shape is Shape.LISTS:
        return {**value, A: ["#a", "#more"], B: ["#b"], "odd-a": [7], "odd-b": [8], "bad": "no list", "void": []} | BAD
    return {**value, **entries(part), **BAD}


@dataclass
class Home:
    """A migrated site, and the way back to how it was."""

    site: Site
    before: dict[Path, bytes] = field(default_factory=dict)

    def sql(self, *statements: tuple[str, tuple]) -> None:
        with closing(sqlite3.connect(self.site.db, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            for statement, values in statements:
                assert connection.execute(statement, values).rowcount, f"planted nothing: {statement}"

    def rewrite(self, document: Document, change: Callable[[Any], Any]) -> None:
        path = self.site.file(document)
        text = path.read_text(encoding="utf-8")
        changed = dumps(change(loads(text)))
        assert changed != text, "planted nothing"
        path.write_text(changed, encoding="utf-8")

    def look(self, name: str) -> Validation:
        """Look at a document, and at those that share a table with it."""
        documents = self.site.pack.documents
        tables = {part.table for part in documents[name].parts}
        sharing = tuple(n for n, other in documents.items() if tables & {part.table for part in other.parts})
        return validating.validate(self.site, Query(documents=sharing))

    def restore(self) -> None:
        for path, content in self.before.items():
            if not path.exists() or path.read_bytes() != content:
                path.write_bytes(content)


def settle(name: str, folder: Path, key: str | None = KEY) -> Home:
    """Make and migrate a site in which every column of every table of a pack is filled."""
    pack = load(name)
    folder.mkdir()
    for document in pack.documents.values():
        path = FIXTURES / name / document.file
        value = loads(path.read_text(encoding="utf-8")) if path.exists() else None
        (folder / document.file).write_text(dumps(fill(document, value)), encoding="utf-8")
    home = Home(Site(folder, folder / "mediaos.db", pack, Vault(key)))
    assert migrating.migrate(home.site, Options()).exit_code == 0
    with closing(sqlite3.connect(home.site.db)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    home.before = {path: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    return home


# ── what a fault is ──

Found = tuple[str, str, tuple[str, ...]]  # table, kind (or order), key


@dataclass(frozen=True)
class Fault:
    """One fault, what must be found of it, and in which way a member differs."""

    name: str
    document: str
    statements: tuple[tuple[str, tuple], ...] = ()
    change: Callable[[Any], Any] | None = None
    found: frozenset[Found] = frozenset()
    way: tuple[str, str] | None = None  # path, way
    refused: bool = False  # the schema itself refuses it
    loose: bool = False  # what follows in the file moved: its place is how a held record and an empty list are known

    @property
    def code(self) -> int:
        return 5 if {kind for _, kind, _ in self.found} == {"unverifiable"} else 3

    def plant(self, home: Home) -> None:
        if self.change:
            home.rewrite(home.site.pack.document(self.document), self.change)
        else:
            home.sql(*self.statements)


def findings(result: Validation) -> set[Found]:
    found = set()
    for comparison in (c for report in result.documents for c in report.comparisons):
        found |= {(comparison.table, d.kind, d.key) for d in comparison.discrepancies}
        if comparison.out_of_order is not None:
            found.add((comparison.table, "order", comparison.out_of_order))
    return found


def ways(result: Validation) -> dict[tuple[str, ...], set[tuple[str, str]]]:
    discrepancies = (d for report in result.documents for c in report.comparisons for d in c.discrepancies)
    return {d.key: {(each.path, each.way) for each in d.differences} for d in discrepancies if d.kind == "changed"}


# ── where faults are planted ──


@dataclass(frozen=True)
class Place:
    """One part of a document, and three of its rows: two that are full, one that is empty."""

    document: Document
    part: Part
    siblings: bool = False

    @property
    def table(self) -> str:
        return self.part.table

    @property
    def whole(self) -> bool:
        return any(column.member == "$value" for column in self.part.columns.values())

    def key(self, name: str) -> tuple[str, ...]:
        if self.document.shape is Shape.ONE:
            return (self.document.name,)
        if self.document.shape is Shape.LISTS:
            return (name, {A: "#a", B: "#b", "odd-a": "7", "odd-b": "8"}[name])
        return (name,) * len(self.part.key)

    def where(self, name: str) -> str:
        return " AND ".join(f"{c} = '{v}'" for c, v in zip(self.part.key, self.key(name), strict=True))

    def fault(self, name: str, sql: str, *values: Any, found: Any = (), way: Any = None, on: str = A) -> Fault:
        """Plant by changing one row."""
        found = found or [("changed", self.key(on))]
        statement = (f"UPDATE {self.table} SET {sql} WHERE {self.where(on)}", values)
        return Fault(f"{self.table}.{name}", self.document.name, (statement,), None, self.of(*found), way)

    def of(self, *found: tuple[str, tuple[str, ...]]) -> frozenset[Found]:
        return frozenset((self.table, *each) for each in found)

    def swap(self, column: str, names: tuple[str, str] = (A, B)) -> tuple[str, tuple]:
        return exchanged(self.table, column, *(dict(zip(self.part.key, self.key(name), strict=True)) for name in names))


def exchanged(table: str, column: str, *rows: dict[str, Any]) -> tuple[str, tuple]:
    """Spell in one statement that two rows exchange what they have in a column."""
    (one, other), (here, there) = (
        [" AND ".join(f"{side}.{name} = {value!r}" for name, value in row.items()) for row in rows]
        for side in (table, "o")
    )
    return (
        f"UPDATE {table} SET {column} = o.{column} FROM {table} AS o WHERE ({one} AND {there}) OR ({other} AND {here})",
        (),
    )


def places(pack: Pack) -> Iterator[Place]:
    for document in pack.documents.values():
        yield Place(document, document.records)
        if document.siblings:
            yield Place(document, document.siblings, siblings=True)


@cache
def schema(name: str) -> dict[str, list[str]]:
    """Return the columns of each table that can be written to, as the migrations make them."""
    with closing(sqlite3.connect(":memory:")) as connection:
        for step in sorted((PACKS[name] / "sqlite").glob("*.up.sql")):
            connection.executescript(step.read_text(encoding="utf-8"))
        tables = [row[0] for row in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {
            table: [row[1] for row in connection.execute(f"PRAGMA table_xinfo({table})") if row[6] == 0]
            for table in tables
        }


CHANGED = {"text": "text", "integer": "value", "real": "value", "flag": "value", "instant": "instant", "json": "value"}
OTHER = {"text": "other", "integer": 999, "real": 99.5, "flag": 1, "instant": "2027-07-07T00:00:00.000Z"}
MOVED = {"text": 5, "integer": "101", "real": "1.5", "flag": "false", "instant": 20260101, "json": "[1]"}
SPELLED = {"integer": "101.0", "real": "1.50"}


def is_hidden(part: Part, member: str) -> bool:
    return any(hidden.at == (member,) for hidden in part.hidden)


def hidden_as(part: Part, member: str) -> Hidden:
    return next(hidden for hidden in part.hidden if hidden.at == (member,))


def of_member(place: Place, column: str, how: Column) -> Iterator[Fault]:
    """Plant everything in a column that stands for a member."""
    part, member, codec = place.part, how.member, how.codec
    hidden = is_hidden(part, member)
    path = WHOLE if place.whole else member

    def planted(name: str, sql: str, *values: Any, way: str, at: str = path, on: str = A) -> Fault:
        return place.fault(f"{column}: {name}", sql, *values, way=(at, "secret" if hidden else way), on=on)

    if codec == "json":
        inner = "" if place.whole else f"{member}."
        yield planted("changed", f"{column} = json_set({column}, '$.k', 99)", way="value", at=f"{inner}k")
        yield planted("inner type", f"{column} = json_set({column}, '$.k', '1')", way="type", at=f"{inner}k")
        yield planted(
            "inner order", f"{column} = json_set({column}, '$.list', json('[2,1]'))", way="order", at=f"{inner}list"
        )
        yield planted("inner lost", f"{column} = json_remove({column}, '$.k')", way="absent-null", at=f"{inner}k")
        yield planted("no JSON", f"{column} = 'no json'", way="type")
    elif hidden:
        yield planted("changed", f"{column} = ?", secret(hidden_as(part, member), 9), way="secret")
        damaged = f"{column} = replace(substr({column}, 1, 80), 'A', 'B') || 'AAAA' || substr({column}, 85)"
        if hidden_as(part, member).kind == "credential":
            yield planted("one letter", damaged, way="secret")
        if hidden_as(part, member).kind != "hash":  # sealed by us: what cannot be opened cannot be judged
            unsure = [("unverifiable", place.key(B))]
            yield place.fault(f"{column}: our envelope spoiled", damaged, found=unsure, on=B)
    else:
        yield planted("changed", f"{column} = ?", OTHER[codec], way=CHANGED[codec])
    seen = any(view.of == column for view in part.views.values())
    yield planted("nulled", f"{column} = NULL", way="absent-null", at=f"{member}.k" if seen else path)
    yield planted("type", f"{column} = ?", b"\x00\xff" if codec in ("text", "secret") else "[1]", way=type_way(codec))
    if place.whole and codec != "json":
        yield planted("text for number", f"{column} = NULL, extra = '\"101\"'", way="type")
    if not place.whole:
        moved = f"{column} = NULL, extra = json_set(extra, ?, ?)"
        yield planted("type in extra", moved, f"$.{member}", MOVED.get(codec, 5), way="type")
        new = example(codec, 3) if not hidden else secret(hidden_as(part, member), 3)
        yield planted("appeared", f"{column} = ?", CODECS[codec].fit(new), way="absent-null", on=BARE)
    yield from swapped(
        place, column, f"{inner}k" if codec == "json" else path, "secret" if hidden else CHANGED.get(codec)
    )


def type_way(codec: str) -> str:
    return "text" if codec == "instant" else "type"


def swapped(place: Place, column: str, path: str, way: str | None) -> Iterator[Fault]:
    if place.document.shape is not Shape.ONE:
        found = place.of(("changed", place.key(A)), ("changed", place.key(B)))
        yield Fault(
            f"{place.table}.{column}: swapped", place.document.name, (place.swap(column),), None, found, (path, way)
        )


def of_view(place: Place, column: str) -> Iterator[Fault]:
    view = place.part.views[column]
    path = ".".join((place.part.columns[view.of].member, *view.path))
    top = place.part.columns[view.of].member
    yield place.fault(f"{column}: changed", f"{column} = ?", OTHER[view.codec], way=(path, CHANGED[view.codec]))
    yield place.fault(f"{column}: nulled", f"{column} = NULL", way=(path, "absent-null"))
    yield place.fault(f"{column}: type", f"{column} = ?", "[1]", way=(path, type_way(view.codec)))
    new = example(view.codec, 3)
    yield place.fault(f"{column}: appeared", f"{column} = ?", new, way=(top, "absent-null"), on=BARE)
    yield from swapped(place, column, path, CHANGED[view.codec])


def of_key(place: Place, column: str) -> Iterator[Fault]:
    """Plant in a key: the record is then another one."""
    key, number = place.key(A), place.part.key.index(column)
    orphans = frozenset((table, "extra", (key[0], str(n))) for table in place.part.children for n in range(3))

    def renamed(to: str) -> tuple[str, ...]:
        return (*key[:number], to, *key[number + 1 :])

    def planted(name: str, value: Any, to: str) -> Fault:
        statement = (f"UPDATE {place.table} SET {column} = ? WHERE {place.where(A)}", (value,))
        found = place.of(("missing", key), ("extra", renamed(to))) | orphans
        return Fault(f"{place.table}.{column}: {name}", place.document.name, (statement,), None, found)

    yield planted("changed", "fill-other", "fill-other")
    yield planted("type", b"\x01", str({"blob": "01"}))
    refused = (f"UPDATE {place.table} SET {column} = NULL WHERE {place.where(A)}", ())
    yield Fault(f"{place.table}.{column}: nulled", place.document.name, (refused,), refused=True)
    if place.document.shape is Shape.ONE:
        return
    one, other = place.where(A), place.where(B)
    steps = [
        (f"UPDATE {place.table} SET {column} = 'aside' WHERE {one}", ()),
        (f"UPDATE {place.table} SET {column} = ? WHERE {other}", (key[number],)),
        (
            f"UPDATE {place.table} SET {column} = ? WHERE {one.replace(key[number], 'aside') if len(key) == 1 else aside(place, number)}",
            (place.key(B)[number],),
        ),
    ]
    if len(key) == 1:
        found = place.of(("changed", key), ("changed", place.key(B)), ("order", key))
    else:
        crossed = [(*b[:number], a[number], *b[number + 1 :]) for a, b in ((key, place.key(B)), (place.key(B), key))]
        found = place.of(*(("missing", each) for each in (key, place.key(B))), *(("extra", each) for each in crossed))
    yield Fault(f"{place.table}.{column}: swapped", place.document.name, tuple(steps), None, found)


def aside(place: Place, number: int) -> str:
    key = ["aside" if n == number else text for n, text in enumerate(place.key(A))]
    return " AND ".join(f"{c} = '{v}'" for c, v in zip(place.part.key, key, strict=True))


def of_extra(place: Place) -> Iterator[Fault]:
    match place.document.shape:
        case Shape.ONE:
            return  # only the value null is kept there
        case Shape.LISTS:
            cases = [("changed", "'9'", WHOLE, "type"), ("nulled", "NULL", WHOLE, "type")]
            on = ("odd-a", "odd-b")
        case Shape.VALUES:
            cases = [("changed", "json_set(extra, '$.k', 99)", "k", "value"), ("nulled", "NULL", WHOLE, "absent-null")]
            cases += [("type", "'[1]'", WHOLE, "type"), ("no JSON", "'{'", WHOLE, "type")]
            on = ("odd-a", "odd-b")
        case _:
            cases = [
                ("changed", "json_set(extra, '$.unmapped', 'other')", "unmapped", "text"),
                ("member nulled", "json_set(extra, '$.unmapped', NULL)", "unmapped", "absent-null"),
                ("member lost", "json_remove(extra, '$.unmapped')", "unmapped", "absent-null"),
                ("member type", "json_set(extra, '$.unmapped', 5)", "unmapped", "type"),
                ("member more", "json_set(extra, '$.another', 5)", "another", "absent-null"),
                ("nulled", "NULL", "unmapped", "absent-null"),
                ("no JSON", "'{'", "unmapped", "absent-null"),
                ("type", "'[1]'", "unmapped", "absent-null"),
            ]
            on = (A, B)
            yield place.fault("extra: null lost", "extra = NULL", way=("unset", "absent-null"), on=BARE)
    for name, sql, path, way in cases:
        yield place.fault(f"extra: {name}", f"extra = {sql}", way=(path, way), on=on[0])
    keys = [("changed", place.key(name)) for name in on]
    path, way = ("unmapped", "text") if on[0] == A else cases[0][2:]
    yield Fault(
        f"{place.table}.extra: swapped",
        place.document.name,
        (place.swap("extra", on),),
        None,
        place.of(*keys),
        (path, way),
    )


def of_position(place: Place) -> Iterator[Fault]:
    """Plant in the order; a record that moved towards the end is named, for another stands in its place."""
    if place.document.shape is Shape.ONE:
        return
    found = [("order", place.key(A))]
    yield place.fault("position: changed", f"position = {LATER}", found=found)
    yield place.fault("position: nulled", "position = NULL", found=found)
    yield place.fault("position: type", "position = 'word'", found=found)
    yield Fault(
        f"{place.table}.position: swapped", place.document.name, (place.swap("position"),), None, place.of(*found)
    )


def of_rows(place: Place, columns: list[str]) -> Iterator[Fault]:
    key = place.key(A)
    orphans = frozenset((table, "extra", (key[0], str(n))) for table in place.part.children for n in range(3))
    lost = (f"DELETE FROM {place.table} WHERE {place.where(A)}", ())
    yield Fault(f"{place.table}: row lost", place.document.name, (lost,), None, place.of(("missing", key)) | orphans)
    names = [name for name in columns if name not in place.part.derived]
    new = ["'fill-new'" if name == place.part.key[0] else name for name in names]
    added = (
        f"INSERT INTO {place.table} ({', '.join(names)}) SELECT {', '.join(new)} FROM {place.table} WHERE {place.where(A)}",
        (),
    )
    extra = ("extra", ("fill-new", *key[1:]))
    yield Fault(f"{place.table}: row added", place.document.name, (added,), None, place.of(extra))


def of_children(place: Place, tables: dict[str, list[str]]) -> Iterator[Fault]:
    """Plant in child tables: the record that holds the list is what differs."""
    for table, child in place.part.children.items():
        row = f"{child.parent} = '{A}' AND position = 0"
        changed = frozenset({(place.table, "changed", place.key(A))})
        both = changed | {(place.table, "changed", place.key(B))}
        item, member = f"{child.member}.0.", child.member

        def planted(
            name: str, sql: str, way: Any, found: Any = changed, *values: Any, row: str = row, table: str = table
        ) -> Fault:
            return Fault(
                f"{table}.{name}",
                place.document.name,
                ((f"UPDATE {table} SET {sql} WHERE {row}", values),),
                None,
                found,
                way,
            )

        def swap(column: str, table: str = table, parent: str = child.parent) -> tuple[str, tuple]:
            return exchanged(table, column, {parent: A, "position": 0}, {parent: B, "position": 0})

        for column, how in child.columns.items():
            path, codec = item + how.member, how.codec
            yield planted(f"{column}: changed", f"{column} = ?", (path, CHANGED[codec]), changed, OTHER[codec])
            yield planted(f"{column}: nulled", f"{column} = NULL", (path, "absent-null"))
            yield planted(f"{column}: type", f"{column} = ?", (path, "type"), changed, b"\x00\xff")
            moved = f"{column} = NULL, extra = json_set(extra, ?, ?)"
            yield planted(f"{column}: type in extra", moved, (path, "type"), changed, f"$.{how.member}", MOVED[codec])
            yield Fault(
                f"{table}.{column}: swapped", place.document.name, (swap(column),), None, both, (path, CHANGED[codec])
            )
        yield planted("extra: changed", "extra = json_set(extra, '$.unmapped', 'other')", (item + "unmapped", "text"))
        yield planted("extra: nulled", "extra = NULL", (item + "unmapped", "absent-null"))
        yield planted("extra: type", "extra = json_set(extra, '$.unmapped', 5)", (item + "unmapped", "type"))
        yield planted("extra: no JSON", "extra = '{'", (item + "unmapped", "absent-null"))
        yield Fault(
            f"{table}.extra: swapped", place.document.name, (swap("extra"),), None, both, (item + "unmapped", "text")
        )
        yield planted("position: changed", "position = 99", (member, "order"))
        yield planted("position: type", "position = 'word'", (member, "order"))
        steps = [
            (f"UPDATE {table} SET position = {n} WHERE {child.parent} = '{A}' AND position = {m}", ())
            for m, n in ((0, 9), (1, 0), (9, 1))
        ]
        yield Fault(f"{table}.position: swapped", place.document.name, tuple(steps), None, changed, (member, "order"))
        refused = ((f"UPDATE {table} SET position = NULL WHERE {row}", ()),)
        yield Fault(f"{table}.position: nulled", place.document.name, refused, refused=True)
        refused = ((f"UPDATE {table} SET {child.parent} = NULL WHERE {row}", ()),)
        yield Fault(f"{table}.{child.parent}: nulled", place.document.name, refused, refused=True)
        last = f"{child.parent} = '{A}' AND position = 2"
        lost = (f"{member}.2", "absent-null")
        stray = changed | {(table, "extra", ("nobody", "2"))}
        yield planted(f"{child.parent}: changed", f"{child.parent} = 'nobody'", lost, stray, row=last)
        yield planted(
            f"{child.parent}: type",
            f"{child.parent} = x'01'",
            lost,
            changed | {(table, "extra", ("b'\\x01'", "2"))},
            row=last,
        )
        exchange = [
            (f"UPDATE {table} SET {child.parent} = '{to}' WHERE {child.parent} = '{of}'", ())
            for of, to in ((A, "aside"), (B, A), ("aside", B))
        ]
        yield Fault(
            f"{table}.{child.parent}: swapped",
            place.document.name,
            tuple(exchange),
            None,
            both,
            (item + "unmapped", "text"),
        )
        yield Fault(
            f"{table}: row lost", place.document.name, ((f"DELETE FROM {table} WHERE {last}", ()),), None, changed, lost
        )
        yield Fault(
            f"{table}: all rows lost",
            place.document.name,
            ((f"DELETE FROM {table} WHERE {child.parent} = '{A}'", ()),),
            None,
            changed,
            (member, "absent-null"),
        )
        names = tables[table]
        new = ["3" if name == "position" else name for name in names]
        added = (f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(new)} FROM {table} WHERE {row}", ())
        yield Fault(f"{table}: row added", place.document.name, (added,), None, changed, (f"{member}.3", "absent-null"))


def of_echo(place: Place) -> Iterator[Fault]:
    """Plant in `members` what it decides: whether a record repeats its name. All else there is order."""
    for member in place.part.echo:
        yield place.fault(f"members: {member} lost", "members = '[\"x\"]'", way=(member, "absent-null"))


def of_column(place: Place, column: str) -> list[Fault]:
    """Return the faults that can be planted in a column; none where nothing that a file says is kept."""
    part = place.part
    if column in part.key:
        return list(of_key(place, column))
    if column in part.columns:
        return list(of_member(place, column, part.columns[column]))
    if column in part.views:
        return list(of_view(place, column))
    return list({"extra": of_extra, "position": of_position, "members": of_echo}.get(column, lambda _: ())(place))


def silent(place: Place, column: str) -> bool:
    """Tell which columns are never compared.

    Derived ones (we fill them), those that only the database knows (no file has them), and the state of a secret,
    which is compared through the secret. `members` is the order of members, which no reader minds, and says whether
    a record repeats its name.
    """
    part = place.part
    return column in part.derived or column not in (
        *part.columns,
        *part.views,
        "extra",
        "position",
        *(["members"] if part.echo else []),
    )


def grouped(faults: list[Fault]) -> dict[str, list[Fault]]:
    """Sort faults by where they are planted."""
    found: dict[str, list[Fault]] = {}
    for fault in faults:
        found.setdefault(fault.name.partition(":")[0], []).append(fault)
    return found


def in_tables(name: str) -> list[Fault]:
    """Return every fault that can be planted in the tables of a pack."""
    pack, tables, found = load(name), schema(name), []
    for place in places(pack):
        for column in tables[place.table]:
            found += of_column(place, column)
        found += [*of_rows(place, tables[place.table]), *of_children(place, tables)]
    return found


# ── our own tables ──


def in_ours(name: str) -> list[Fault]:
    """Return every fault that can be planted in the quarantine and in the envelope."""
    found = []
    for place in places(load(name)):
        if place.document.shape is not Shape.ONE:
            found += of_quarantine(name, place)
    for document in load(name).documents.values():
        found += of_envelope(document)
    return found


def held(name: str, place: Place) -> tuple[str, str]:
    """Return where the two records stood that we have put into quarantine."""
    if place.siblings or place.document.shape is not Shape.LIST:
        return "/bad\\u0000one", "/bad\\u0000two"
    document = place.document
    path = FIXTURES / name / document.file
    before = len(loads(path.read_text(encoding="utf-8"))[document.under]) if path.exists() else 0
    return f"/{document.under}/{before + 3}", f"/{document.under}/{before + 4}"


def of_quarantine(pack: str, place: Place) -> Iterator[Fault]:
    name, table = place.document.name, place.table
    part = "siblings" if place.siblings else "records"
    last = (
        f"(SELECT id FROM _mm_quarantine WHERE document = '{name}' AND part = '{part}' ORDER BY position DESC LIMIT 1"
    )
    one, other = f"id = {last} OFFSET 1)", f"id = {last})"
    first, second = held(pack, place)

    def planted(what: str, sql: str, **found: str) -> Fault:
        kinds = place.of(*((kind, ("#", at)) for kind, at in found.items()))
        return Fault(f"{table} quarantine: {what}", name, ((sql, ()),), None, kinds)

    update = "UPDATE _mm_quarantine SET"
    yield planted("lost", f"DELETE FROM _mm_quarantine WHERE {other}", missing=second)
    yield planted("changed", f"{update} raw = '{{\"lost\":9}}', raw_state = 'plain' WHERE {one}", changed=first)
    yield planted("no JSON", f"{update} raw = '{{', raw_state = 'plain' WHERE {one}", changed=first)
    yield planted("pointer changed", f"{update} pointer = '/nowhere' WHERE {one}", missing=first, extra="/nowhere")
    yield planted("order", f"{update} position = position + 2 WHERE {one}", order=first)
    yield planted("position nulled", f"{update} position = NULL WHERE {one}", order=first)
    columns = "document, part, {}, name, position, offset, reason, raw, raw_state, at"
    more = f"({columns.format('pointer')}) SELECT {columns.format(repr('/nowhere'))}"
    yield planted("added", f"INSERT INTO _mm_quarantine {more} FROM _mm_quarantine WHERE {one}", extra="/nowhere")
    yield planted("of no part", f"{update} part = 'nowhere' WHERE {one}", missing=first)


def of_envelope(document: Document) -> Iterator[Fault]:
    found = frozenset({("_mm_documents", "changed", ("$envelope",))})

    def planted(what: str, sql: str) -> Fault:
        statement = (f"UPDATE _mm_documents SET envelope = {sql} WHERE document = '{document.name}'", ())
        return Fault(f"{document.name} envelope: {what}", document.name, (statement,), None, found)

    yield planted("place changed", "json_set(envelope, '$.at', 7)")
    yield planted("member added", "json_set(envelope, '$.before.x', 1)")
    yield planted("no JSON", "'{'")
    yield planted("nulled", "NULL")
    yield planted("another value", "'[]'")
    if document.shape is Shape.LIST and not document.siblings:
        yield planted("member changed", "json_set(envelope, '$.after.planted.a[0]', 9)")
        yield planted("member type", "json_set(envelope, '$.after.planted.b', '1')")
        yield planted("member lost", "json_remove(envelope, '$.after.planted')")
        yield planted("order in a list", "json_set(envelope, '$.after.planted.a', json('[2,1]'))")
    if document.shape is Shape.LISTS:
        yield planted("empty list lost", "json_set(envelope, '$.empty', json('[]'))")


# ── the file's side ──


def spot(place: Place, value: Any, name: str) -> tuple[Any, Any]:
    """Return the container and the step at which a record stands in its document."""
    document = place.document
    if document.shape is Shape.LIST and not place.siblings:
        listed = value[document.under]
        member = place.part.columns[place.part.key[0]].member
        at = next(n for n, each in enumerate(listed) if isinstance(each, dict) and each.get(member) == name)
        return listed, at
    return value, name


def in_files(name: str) -> list[Fault]:
    """Return every fault that can be planted in the files of a pack."""
    found: list[Fault] = []
    for place in places(load(name)):
        if place.document.shape is Shape.ONE:
            found += in_one(place)
        else:
            found += [*in_members(place), *in_entries(place)]
    for document in load(name).documents.values():
        found += around(document)
    return found


def of_file(
    place: Place, what: str, change: Callable[[Any], Any], found: Any, way: Any = None, *, loose: bool = False
) -> Fault:
    kept = frozenset((place.table, *each) for each in found)
    return Fault(f"{place.document.file} {place.table} {what}", place.document.name, (), change, kept, way, loose=loose)


def in_one(place: Place) -> Iterator[Fault]:
    def planted(what: str, change: Callable[[Any], Any], path: str, way: str) -> Fault:
        return of_file(place, what, change, [("changed", place.key(A))], (path, way))

    yield planted("changed", lambda v: v | {"text": "other"}, "text", "text")
    yield planted("number changed", lambda v: v | {"k": 9}, "k", "value")
    yield planted("type", lambda v: v | {"k": "1"}, "k", "type")
    yield planted("nulled", lambda v: v | {"k": None}, "k", "absent-null")
    yield planted("removed", lambda v: {n: each for n, each in v.items() if n != "k"}, "k", "absent-null")
    yield planted("added", lambda v: v | {"new": 1}, "new", "absent-null")
    yield planted("swapped", lambda v: v | {"k": v["text"], "text": v["k"]}, "k", "type")
    yield planted("order", lambda v: v | {"list": [2, 1]}, "list", "order")
    yield planted("whole type", lambda v: [1], WHOLE, "type")
    yield planted("whole null", lambda v: None, WHOLE, "absent-null")


def other(how: Column) -> Any:
    """Return another value of a member than any example."""
    return bool(OTHER["flag"]) if how.codec == "flag" else OTHER[how.codec]


def sides(place: Place) -> Iterator[tuple[str, Any, str]]:
    """Walk through the members of the full records: path from the record, another value, and its way."""
    part = place.part
    members = [how for column, how in part.columns.items() if column not in part.key and how.member[0] != "$"]
    for how in members:
        if is_hidden(part, how.member):
            yield how.member, secret(hidden_as(part, how.member), 9), "secret"
        elif how.codec == "json":
            yield f"{how.member}.k", 99, "value"
        else:
            yield how.member, other(how), CHANGED[how.codec]
    for view in part.views.values():
        yield ".".join((part.columns[view.of].member, *view.path)), OTHER[view.codec], CHANGED[view.codec]
    yield from unseen_sides(part)


def unseen_sides(part: Part) -> Iterator[tuple[str, Any, str]]:
    """Walk through the members that have no column in the table of the record itself."""
    for child in part.children.values():
        for how in child.columns.values():
            yield f"{child.member}.0.{how.member}", other(how), CHANGED[how.codec]
        yield f"{child.member}.0.unmapped", "other", "text"
    for member in (*part.echo, "unmapped"):
        yield member, "other", "text"
    for hidden in (each for each in part.secrets if len(each.at) > 1):
        yield ".".join("one" if step == "*" else step for step in hidden.at), secret(hidden, 9), "secret"


def at(value: Any, path: str) -> tuple[Any, Any]:
    *steps, leaf = [int(step) if step.isdigit() else step for step in path.split(".")]
    for step in steps:
        value = value[step]
    return value, leaf


def set_at(place: Place, path: str, new: Any, value: Any) -> Any:
    container, step = spot(place, value, A)
    inner, leaf = at(container[step], path)
    if new is REMOVED:
        del inner[leaf]
    else:
        inner[leaf] = new
    return value


def swap_at(place: Place, path: str, value: Any) -> Any:
    (one, here), (two, there) = (spot(place, value, name) for name in (A, B))
    (one, here), (two, there) = at(one[here], path), at(two[there], path)
    one[here], two[there] = two[there], one[here]
    return value


def in_members(place: Place) -> Iterator[Fault]:
    key = place.key(A)
    for path, new, way in () if place.whole else sides(place):
        told = {"changed": (new, way), "removed": (REMOVED, "absent-null"), "nulled": (None, "absent-null")}
        told |= {"type": ([1], "type"), "text or number": (5 if isinstance(new, str) else str(new), "type")}
        for what, (value, expected) in told.items():
            change, seen = partial(set_at, place, path, value), "secret" if way == "secret" else expected
            yield of_file(place, f"{path}: {what}", change, [("changed", key)], (path, seen))
        both = [("changed", key), ("changed", place.key(B))]
        yield of_file(place, f"{path}: swapped", partial(swap_at, place, path), both, (path, way))


REMOVED = object()


def renamed(place: Place, record: Any) -> Any:
    """Return a record of a list with another key."""
    return loads(dumps(record).replace(f'"{A}"', '"fill-new"')) if in_list(place) else record


def in_list(place: Place) -> bool:
    return place.document.shape is Shape.LIST and not place.siblings


def lose(place: Place, value: Any) -> Any:
    container, step = spot(place, value, A)
    del container[step]
    return value


def add(place: Place, value: Any) -> Any:
    container, step = spot(place, value, A)
    return append(place, value, renamed(place, container[step]), "fill-new")


def append(place: Place, value: Any, record: Any, name: str) -> Any:
    if in_list(place):
        value[place.document.under].append(record)
    else:
        value[name] = record
    return value


def move(place: Place, value: Any) -> Any:
    container, step = spot(place, value, A)
    return append(place, value, container.pop(step), A)


def rename(place: Place, value: Any) -> Any:
    container, step = spot(place, value, A)
    if in_list(place):
        container[step] = renamed(place, container[step])
        return value
    return {"fill-new" if name == A else name: each for name, each in value.items()}


def spoil(place: Place, value: Any) -> Any:
    container, step = spot(place, value, A)
    container[step] = 7
    return value


def in_entries(place: Place) -> Iterator[Fault]:
    if place.document.shape is Shape.LISTS:
        yield from in_lists(place)
        return
    key, after, listed = place.key(A), place.key(B), in_list(place)
    new = ("fill-new",) * len(key)

    def planted(what: str, change: Callable[[Place, Any], Any], *found: Any, loose: bool = False) -> Fault:
        return of_file(place, what, lambda value: change(place, value), found, loose=loose)

    yield planted("record removed", lose, ("extra", key), loose=listed)
    yield planted("record added", add, ("missing", new))
    yield planted("record moved", move, ("order", after), loose=listed)
    yield planted("record renamed", rename, ("extra", key), ("missing", new))
    if listed:
        yield planted("record no more", spoil, ("extra", key), loose=True)
    else:
        yield planted("record no more", spoil, ("changed", key))
        yield from in_maps(place)


def in_maps(place: Place) -> Iterator[Fault]:
    key, after, held = place.key(A), place.key(B), ("#", "/bad\\u0000one")
    if place.whole:
        yield of_file(place, "changed", lambda v: v | {A: 999}, [("changed", key)], (WHOLE, "value"))
        yield of_file(place, "nulled", lambda v: v | {A: None}, [("changed", key)], (WHOLE, "absent-null"))
        yield of_file(place, "type", lambda v: v | {A: "101"}, [("changed", key)], (WHOLE, "type"))
        both = [("changed", key), ("changed", after)]
        yield of_file(place, "swapped", lambda v: v | {A: v[B], B: v[A]}, both, (WHOLE, "value"))
    yield of_file(place, "held record changed", lambda v: v | {"bad\x00one": 7}, [("changed", held)])
    yield of_file(place, "held record removed", without("bad\x00one"), [("extra", held)])
    yield of_file(place, "held record added", lambda v: v | {"bad\x00new": 7}, [("missing", ("#", "/bad\\u0000new"))])


def without(name: str) -> Callable[[Any], Any]:
    return lambda value: {each: value[each] for each in value if each != name}


def in_lists(place: Place) -> Iterator[Fault]:
    key, more = place.key(A), (A, "#more")
    yield of_file(place, "item changed", lambda v: v | {A: ["#x", "#more"]}, [("extra", key), ("missing", (A, "#x"))])
    yield of_file(place, "item removed", lambda v: v | {A: ["#more"]}, [("extra", key)])
    yield of_file(place, "item added", lambda v: v | {A: ["#a", "#more", "#x"]}, [("missing", (A, "#x"))])
    yield of_file(place, "item moved", lambda v: v | {A: ["#more", "#a"]}, [("order", more)])
    yield of_file(
        place, "item type", lambda v: v | {"odd-a": ["7"]}, [("changed", place.key("odd-a"))], (WHOLE, "type")
    )
    yield of_file(
        place, "list no more", lambda v: v | {A: "#a"}, [("extra", key), ("extra", more), ("missing", ("#", f"/{A}"))]
    )
    without = [("extra", key), ("extra", more)]
    yield of_file(place, "list removed", lambda v: {n: e for n, e in v.items() if n != A}, without, loose=True)
    yield of_file(place, "held list changed", lambda v: v | {"bad": "other"}, [("changed", ("#", "/bad"))])


def around(document: Document) -> Iterator[Fault]:
    """Plant in what no record carries."""
    found = frozenset({("_mm_documents", "changed", ("$envelope",))})

    def planted(what: str, change: Callable[[Any], Any]) -> Fault:
        return Fault(f"{document.file} envelope: {what}", document.name, (), change, found)

    if document.shape is Shape.LISTS:
        yield planted("empty list added", lambda v: v | {"hollow": []})
        yield planted("empty list removed", lambda v: {n: e for n, e in v.items() if n != "void"})
    if document.shape is not Shape.LIST:
        return
    yield planted("list moved", lambda v: {n: v[n] for n in [*(n for n in v if n != document.under), document.under]})
    if document.siblings:
        return
    yield planted("member changed", lambda v: v | {"planted": {"b": 1.0, "a": [1, 3]}})
    yield planted("member type", lambda v: v | {"planted": {"b": "1", "a": [1, 2]}})
    yield planted("member nulled", lambda v: v | {"planted": None})
    yield planted("member removed", lambda v: {n: e for n, e in v.items() if n != "planted"})
    yield planted("member added", lambda v: v | {"another": 1})
    yield planted("order in a list", lambda v: v | {"planted": {"b": 1.0, "a": [2, 1]}})
