"""Where quarantined records stand in a file that was written anew: pointers and offsets stay true."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from ..digest import Hashes
from ..engines.sqlite import Connection
from ..pack import Document
from ..quarantine import Quarantine, Quarantined
from ..site import Site
from ..stores.file import FileStore

Moved = tuple[int, str, int]  # number in quarantine, pointer, offset


def moved(site: Site, document: Document, held: Sequence[Quarantined]) -> Iterator[Moved]:
    """Pair what is in quarantine with what cannot be a record in the file: both are in the order of the file."""
    if not held:
        return
    keys, path = Hashes(), site.file(document)
    for part, record in FileStore(path, document, site.vault).all():
        keys.add((part, *record.key))
    places: dict[str, list[tuple[str, int]]] = {}
    for part, record in FileStore(path, document, site.vault, keys.twins()).all():
        if record.unfit:
            places.setdefault(part, []).append((record.element.pointer, record.start))
    for part, found in places.items():
        mine = [item for item in held if item.part == part]
        if len(mine) == len(found):  # else somebody else has written too, and the next look will tell
            yield from ((item.id, *place) for item, place in zip(mine, found, strict=True))


def relocate(connection: Connection, places: Iterable[Moved]) -> None:
    """Note where quarantined records stand now; inside the caller's transaction."""
    for item in places:
        Quarantine(connection).relocate(*item)
