"""A folder in a file's place, so that no old program can write the file again: that holds for root too."""

from __future__ import annotations

from typing import Final

from .. import files
from ..errors import NeedsPerson
from ..pack import Document
from ..site import Site

SIGN: Final = "README.txt"
WORDS: Final = """This folder stands where the file {file} was.

The app keeps these records in its database now. The folder keeps older programs from writing the file again, which
would be lost. `mediaos-migrate stage retreat {name}` brings the file back.
"""


def put(site: Site, document: Document) -> None:
    """Set the folder up; the file was put away before."""
    path = site.file(document)
    files.make_folder(path, site.owner)
    with files.replacing(path / SIGN, site.owner) as stream:
        stream.write(WORDS.format(file=document.file, name=document.name).encode())


def remove(site: Site, document: Document) -> None:
    """Take it away, so that the file can be written again. Raises NeedsPerson when somebody put something into it."""
    path = site.file(document)
    if not path.is_dir():
        return
    files.Replacement(path / SIGN).drop()  # what a crash left that came while the sign was written
    if strangers := sorted(each.name for each in path.iterdir() if each.name != SIGN):
        raise NeedsPerson(f"{path} is a folder that holds {strangers[0]}.", "Move what is in it away.")
    (path / SIGN).unlink(missing_ok=True)
    path.rmdir()
    files.sync_folder(path.parent)
