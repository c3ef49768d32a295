"""Every fault that can be planted in either home is found, on its key, with its class; and undone, nothing is left."""

import sqlite3
from contextlib import closing

import pytest
from planting import (
    PACKS,
    Fault,
    Home,
    findings,
    grouped,
    in_files,
    in_ours,
    in_tables,
    places,
    schema,
    settle,
    silent,
    ways,
)

from mediaos_migrate.errors import Suspect
from mediaos_migrate.ledger import SKIPPED
from mediaos_migrate.shapes import Shape


@pytest.fixture(scope="module")
def settled(tmp_path_factory):
    """Each pack's site, filled and migrated once, when it is first asked for."""
    homes: dict[str, Home] = {}

    def of(name: str) -> Home:
        if name not in homes:
            homes[name] = settle(name, tmp_path_factory.mktemp("site") / name)
        return homes[name]

    return of


def cases(of):
    return [
        pytest.param(name, faults, id=f"{name} {where}")
        for name in PACKS
        for where, faults in grouped(of(name)).items()
    ]


def overlooked(home: Home, fault: Fault) -> object:
    """Plant a fault, look, and undo it; return what was found instead of it, if anything."""
    try:
        if fault.refused:
            with pytest.raises(sqlite3.IntegrityError):
                fault.plant(home)
            return None
        fault.plant(home)
        result = home.look(fault.document)
    finally:
        home.restore()
    found, named = findings(result), ways(result)
    if fault.loose:
        found = {each for each in found if each[2][:1] not in (("#",), ("$envelope",))}
    right = all(fault.way in named[key] for _, kind, key in found if kind == "changed") if fault.way else True
    return (
        None
        if (result.exit_code, found, right) == (fault.code, fault.found, True)
        else (result.exit_code, found, named)
    )


def check(home: Home, faults: list[Fault]) -> None:
    assert {fault.name: wrong for fault in faults if (wrong := overlooked(home, fault))} == {}
    assert home.look(faults[0].document).exit_code == 0


@pytest.mark.parametrize("name", PACKS)
def test_every_column_that_a_file_can_fill_is_filled(settled, name):
    with closing(sqlite3.connect(settled(name).site.db)) as connection:
        for place in places(settled(name).site.pack):
            one = place.document.shape is Shape.ONE
            tables = {place.table: [c for c in schema(name)[place.table] if not silent(place, c)]}
            tables |= {child: schema(name)[child] for child in place.part.children}
            for table, columns in tables.items():
                for column in columns:
                    filled = connection.execute(f"SELECT count({column}) FROM {table}").fetchone()[0]
                    never = one and column == "extra"  # null is the only value that is kept there
                    assert filled >= (0 if never else 1 if one else 2), (table, column)


@pytest.mark.parametrize(("name", "faults"), cases(in_tables))
def test_a_fault_in_a_table_is_found(settled, name, faults):
    check(settled(name), faults)


@pytest.mark.parametrize(("name", "faults"), cases(in_ours))
def test_a_fault_in_quarantine_or_envelope_is_found(settled, name, faults):
    check(settled(name), faults)


@pytest.mark.parametrize(("name", "faults"), cases(in_files))
def test_a_fault_in_a_file_is_found(settled, name, faults):
    check(settled(name), faults)


@pytest.mark.parametrize("name", PACKS)
def test_what_no_file_says_is_never_compared(settled, name):
    """Derived columns we fill, others only the database knows; of a secret its state is no part, nor the order of members."""
    home = settled(name)
    with closing(sqlite3.connect(home.site.db)) as connection:
        for place in places(home.site.pack):
            for column in (each for each in schema(name)[place.table] if silent(place, each)):
                for value in ("NULL", "'[]'"):  # as far as the schema allows it
                    connection.execute(f"UPDATE OR IGNORE {place.table} SET {column} = {value}")
        connection.commit()
    codes = {document: home.look(document).exit_code for document in home.site.pack.documents}
    home.restore()
    assert set(codes.values()) == {0}


@pytest.mark.parametrize("name", PACKS)
def test_a_document_that_is_noted_as_left_out_is_looked_at_or_said_not_to_be(settled, name):
    home = settled(name)
    for document in home.site.pack.documents:
        told = []
        for column, value in (("skipped", 1), ("state", SKIPPED), ("state", "missing"), ("state", "damaged")):
            home.sql((f"UPDATE _mm_documents SET {column} = ? WHERE document = ?", (value, document)))
            home.sql((f"DELETE FROM {home.site.pack.document(document).records.table}", ()))
            told.append(next((r.state, r.differs) for r in home.look(document).documents if r.document == document))
            codes = home.look(document).exit_code
            home.restore()
            assert codes != 0, (document, column, value)
        assert told == [("present", True), ("unchecked", False), ("present", True), ("present", True)], document


@pytest.mark.parametrize("name", PACKS)
def test_a_file_that_is_gone_is_refused(settled, name):
    home = settled(name)
    for document in home.site.pack.documents.values():
        home.site.file(document).unlink()
        with pytest.raises(Suspect):
            home.look(document.name)
        home.restore()
