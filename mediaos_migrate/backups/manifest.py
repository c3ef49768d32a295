"""What a backup says of itself; it is read with distrust, for it may come from anywhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import Damaged, NotOurs
from ..pack import Pack
from ..stages import Stage

NAME: Final = "manifest.json"  # written last: a folder without one is no backup
DIGEST: Final = "manifest.sha256"  # of the manifest, as `sha256sum` writes it
SEAL: Final = "manifest.sealed"  # of a sealed backup: the manifest once more, as only the key can write it
SEALED: Final = ".sealed"
DATABASE: Final = "mediaos.db"  # what a database is called inside a backup, whatever it is called outside
FORMAT: Final = 1
LARGEST: Final = 1 << 20  # bytes of a manifest
REMEDY: Final = "Use another backup; `mediaos-migrate backup list` names them."

Size = Annotated[int, Field(ge=0)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class Held(_Model):
    """One file in a backup: its name, and size and SHA-256 as it lies there."""

    name: str
    size: Annotated[int, Field(ge=0, strict=True)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Manifest(_Model):
    """Everything that is known of a backup. Earlier releases said less, which is what the defaults stand for."""

    format: int = 0
    id: str = ""
    created_at: str
    reason: str = ""
    app: str
    tool_version: str = ""
    schema_version: int | None = None
    automatic: bool = True
    sealed: bool = False
    state: str | None = None  # stands for all that it holds: the same again need not be kept twice
    stages: dict[str, Stage] = {}
    files: tuple[Held, ...] = ()
    missing: tuple[str, ...] = ()  # files that were not there
    database: Held | None = None

    @property
    def members(self) -> Iterator[Held]:
        """Everything that it holds."""
        yield from self.files
        if self.database:
            yield self.database

    @property
    def size(self) -> int:
        """How many bytes that is."""
        return sum(held.size for held in self.members)

    def stored(self, name: str) -> str:
        """Return the name under which something lies in the backup."""
        return name + SEALED if self.sealed else name

    def to_json(self) -> bytes:
        """Write it down."""
        return json.dumps(self.model_dump(mode="json"), indent=2).encode()

    def check(self, pack: Pack) -> None:
        """Raise NotOurs for another app's, Damaged when it names what is no file of this app."""
        if self.app != pack.app:
            raise NotOurs(f"The backup belongs to the app `{self.app}`.", f"Pass --app {self.app}.")
        known = {document.file for document in pack.documents.values()}
        names = [*(held.name for held in self.files), *self.missing]
        for name in names:
            if name not in known:
                raise damaged(f"it names {name!r}, which is no file of {pack.name}")
        if self.database and (not is_plain(self.database.name) or self.database.name in known):
            raise damaged(f"it calls the database {self.database.name!r}")
        if len(set(names)) < len(names):
            raise damaged("it names a file twice")


def is_plain(name: str) -> bool:
    """Tell whether a name is that of something in a folder itself, and none of a backup's own."""
    own = {NAME, DIGEST, SEAL, ".", "..", ""}
    return name.casefold() not in own and name.isprintable() and not set(name) & {"/", "\\", ":"}


def damaged(what: str, **facts: str) -> Damaged:
    """Say what is wrong with a backup."""
    return Damaged("backup", f"The backup is not to be believed: {what}.", REMEDY, **facts)


def read(data: bytes, digest: bytes | None) -> Manifest:
    """Read a manifest, and hold it against its digest where there is one. Raises Damaged or NotOurs."""
    if digest is not None and digest.split()[:1] != [sha256(data).hexdigest().encode()]:
        raise damaged("its manifest is not the one that was written")
    try:
        found = Manifest.model_validate_json(data)
    except ValidationError as error:
        place = ".".join(map(str, error.errors()[0]["loc"]))
        raise damaged(f"its manifest cannot be read{f' at {place}' if place else ''}") from None
    if found.format > FORMAT:
        raise NotOurs(f"The backup was made by mediaos-migrate {found.tool_version}.", "Use that version.")
    if found.format and digest is None:
        raise damaged(f"{DIGEST} is missing")
    return found


def digest_of(data: bytes) -> bytes:
    """Return what stands in the file with the manifest's digest."""
    return f"{sha256(data).hexdigest()}  {NAME}\n".encode()
