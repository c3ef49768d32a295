"""The damaged files of the fixtures, with what their README and messages.json promise about each."""

import json
import re
import shutil
from typing import Any, Final, NamedTuple

from conftest import FIXTURES

from mediaos_migrate.documents.reader import Reading, refuse_twins
from mediaos_migrate.pack import load
from mediaos_migrate.shapes import Role

FOLDER: Final = FIXTURES / "broken"
MESSAGES: Final[dict[str, dict[str, str]]] = json.loads((FOLDER / "messages.json").read_text(encoding="utf-8"))
ROW: Final = re.compile(r"^\| `([\w.-]+)` \| .* \| (\d+) \| (\d+) \| (.*) \|$", re.MULTILINE)


class Broken(NamedTuple):
    """One damaged file: the document it belongs to, where its fault is, and the records that salvage takes."""

    file: str
    line: int
    column: int
    takes: list[str]

    @property
    def document(self):
        """The document of MediaOS whose file this is."""
        return load("mediaos").document(self.file.partition(".")[0])

    def put(self, folder):
        """Copy the file under the document's own name."""
        return shutil.copy(FOLDER / self.file, folder / self.document.file)


BROKEN: Final = [
    Broken(file, int(line), int(column), re.findall(r"`(\w+)`", takes))
    for file, line, column, takes in ROW.findall((FOLDER / "README.md").read_text(encoding="utf-8"))
]


def read_strictly(path, document):
    """Read a file with all checks, that of a map's names included; raises Damaged."""
    names = [piece.name for piece in Reading(path, document) if piece.role is Role.ENTRY]
    refuse_twins(path, document, frozenset(hash(("$name", name)) for name in names))


def identity(piece: Any) -> str:
    """Return what the README calls a record."""
    return piece.name or piece.value["id"]
