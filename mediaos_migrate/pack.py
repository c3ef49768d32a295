"""What we know about one source app, as data: `mapping.toml` read into frozen models.

The grammar in one example (a pack of an app with one file):

    app = "shelf"
    name = "Shelf"

    [documents.books]
    file = "books.json"
    shape = "map of objects"            # see `shapes.Shape`

    [documents.books.records]
    table = "books"
    key = ["id"]

    [documents.books.records.columns]
    id = "$key"                         # the name in the map; "$value": the value itself
    title = "title"
    year = { member = "year", codec = "integer" }
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import EntryPoint, entry_points
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from .errors import BadPack, UsageError
from .shapes import Shape

KEY: Final = "$key"
VALUE: Final = "$value"
DOCUMENT: Final = "$document"
BUILT_IN: Final = "schema"
ENTRY_POINTS: Final = "mediaos_migrate.packs"

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]
Stem = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Codec = Literal["text", "integer", "real", "flag", "instant", "json", "secret"]


class Model(BaseModel):
    """A frozen piece of a pack; what it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(Model):
    """A member of a record that has a column of its own."""

    member: str
    codec: Codec = "text"


def _short(value: Any) -> Any:
    return {"member": value} if isinstance(value, str) else value


Columns = dict[Identifier, Annotated[Column, BeforeValidator(_short)]]


class View(Model):
    """A writable column that looks into the value of a json column."""

    of: Identifier
    path: tuple[str, ...] = Field(min_length=1)
    codec: Codec = "text"


class Derived(Model):
    """A column that we fill from another one; never exported, never compared."""

    by: Literal["lower", "singular", "base36-time", "copy", "link"]
    of: Identifier
    to: Stem | None = None
    names: dict[str, str] = {}


class Child(Model):
    """A table for the items of a member that holds a list of objects."""

    member: str
    parent: Identifier
    columns: Columns


class Hidden(Model):
    """Where a secret lies in a record; `*` stands for every member or element."""

    at: tuple[str, ...] = Field(min_length=1)
    kind: Literal["credential", "hash", "url"] = "credential"


class Rule(Model):
    """One of the app's own rules; data that breaks it is kept, and reported as an anomaly."""

    code: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]
    means: str
    remedy: str
    unique: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    member: str | None = None
    known: tuple[str, ...] = ()
    refers: Stem | None = None
    repeats: tuple[str, ...] = ()
    variants: dict[str, str] = {}


class Part(Model):
    """How one part of a document becomes rows of one table, and back."""

    table: Identifier
    key: tuple[Identifier, ...] = Field(min_length=1)
    columns: Columns
    echo: tuple[str, ...] = ()
    search: tuple[Identifier, ...] = ()
    views: dict[Identifier, View] = {}
    derived: dict[Identifier, Derived] = {}
    children: dict[Identifier, Child] = {}
    secrets: tuple[Hidden, ...] = ()
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in (*self.key, *self.search, *(item.of for item in self.derived.values())):
            if name not in self.columns:
                raise ValueError(f"`{name}` is no column of `{self.table}`")
        for name, view in self.views.items():
            if view.of not in self.columns or self.columns[view.of].codec != "json":
                raise ValueError(f"the view `{name}` needs a json column, and `{view.of}` is none")
        members = [column.member for column in self.columns.values()]
        members += [*self.echo, *(child.member for child in self.children.values())]
        if twice := {member for member in members if members.count(member) > 1}:
            raise ValueError(f"members with two columns: {', '.join(sorted(twice))}")
        if self.children and len(self.key) > 1:
            raise ValueError("a child table needs a parent with a single key")
        return self

    @model_validator(mode="after")
    def _secrets_apart(self) -> Self:
        """Refuse a secret by which records are named or found, and one inside another: it would be sealed twice."""
        for name in (*self.key, *self.search):
            if self.columns[name].codec == "secret":
                raise ValueError(f"`{name}` is a secret and cannot be a key, nor be searched")
        for one, other in permutations(self.hidden, 2):
            steps = zip(one.at, other.at, strict=False)
            if len(one.at) <= len(other.at) and all(a == b or "*" in (a, b) for a, b in steps):
                raise ValueError(f"the secret at {'.'.join(other.at)} lies in the one at {'.'.join(one.at)}")
        return self

    @cached_property
    def hidden(self) -> tuple[Hidden, ...]:
        """All places where this part holds secrets."""
        columns = (Hidden(at=(c.member,)) for c in self.columns.values() if c.codec == "secret")
        children = (
            Hidden(at=(child.member, "*", c.member))
            for child in self.children.values()
            for c in child.columns.values()
            if c.codec == "secret"
        )
        return (*columns, *children, *self.secrets)

    @property
    def document_key(self) -> bool:
        """Whether the key is the document itself: many documents share one table."""
        return any(self.columns[name].member == DOCUMENT for name in self.key)


class Document(Model):
    """One JSON file of the app."""

    name: Stem
    file: Stem
    shape: Shape
    under: str | None = None
    optional: bool = False
    after: tuple[Stem, ...] = ()
    records: Part
    siblings: Part | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.shape is Shape.LIST) != (self.under is not None):
            raise ValueError("`under` names the member that holds the list, and belongs to lists of objects only")
        if self.siblings and self.shape is not Shape.LIST:
            raise ValueError("only a list of objects has siblings")
        named = self.shape in (Shape.MAP, Shape.VALUES, Shape.LISTS)
        keys = [self.records.columns[name].member for name in self.records.key]
        if named and KEY not in keys:
            raise ValueError(f"the key of a {self.shape} holds `{KEY}`")
        if not named and KEY in keys:
            raise ValueError(f"there is no `{KEY}` in a {self.shape}")
        return self

    @property
    def parts(self) -> tuple[Part, ...]:
        """The records' part, and the siblings' part where there is one."""
        return (self.records,) if self.siblings is None else (self.records, self.siblings)


class Pack(Model):
    """One app: its documents, where its data may lie, and how it keeps its secrets."""

    app: Identifier
    name: str
    host_reads_database: bool = False
    key_variable: str | None = None
    folders: tuple[str, ...] = ()
    folder_variables: tuple[str, ...] = ()
    documents: dict[Stem, Document]
    folder: Path

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        if isinstance(data, dict) and isinstance(data.get("documents"), dict):
            documents = {
                name: {"name": name, **document} if isinstance(document, dict) else document
                for name, document in data["documents"].items()
            }
            return {**data, "documents": documents}
        return data

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for stem, document in self.documents.items():
            if document.name != stem:
                raise ValueError(f"`{stem}` calls itself `{document.name}`; a document has the name of its table")
            for name in (*document.after, *self._needed(document)):
                if name not in self.documents:
                    raise ValueError(f"`{document.name}` needs the document `{name}`, which does not exist")
        files = [document.file for document in self.documents.values()]
        if len(set(files)) < len(files):
            raise ValueError("two documents share one file")
        list(self.ordered())
        return self

    @staticmethod
    def _needed(document: Document) -> Iterator[str]:
        for part in document.parts:
            yield from (item.to for item in part.derived.values() if item.to)
            yield from (rule.refers for rule in part.rules if rule.refers)

    def ordered(self) -> Iterator[Document]:
        """Walk through the documents, each after those it needs."""
        done: set[str] = set()
        waiting = list(self.documents.values())
        while waiting:
            ready = [document for document in waiting if done.issuperset(document.after)]
            if not ready:
                raise ValueError(f"these documents need each other: {', '.join(d.name for d in waiting)}")
            yield from ready
            done.update(document.name for document in ready)
            waiting = [document for document in waiting if document.name not in done]

    def document(self, name: str) -> Document:
        """Return a document by its name; raises UsageError with all the names there are."""
        if name not in self.documents:
            names = ", ".join(self.documents)
            raise UsageError(f"{self.name} has no document `{name}`.", f"Its documents are: {names}.")
        return self.documents[name]


def load(app: str) -> Pack:
    """Load a pack by the name of a built-in or installed one, or by its folder; raises BadPack."""
    folder = _folder(app)
    source = folder / "mapping.toml"
    try:
        text = source.read_text(encoding="utf-8")
        data = tomllib.loads(text)
    except OSError as error:
        raise BadPack(f"{source} cannot be read: {error.strerror}.", "Make it readable.", file=str(source)) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        line = re.search(r"at line (\d+)", str(error))
        where = f"{source}:{line[1] if line else 1}"
        raise BadPack(f"{where}: this is no TOML: {error}.", "Mend this line.", file=str(source)) from None
    try:
        return Pack.model_validate({**data, "folder": folder})
    except ValidationError as error:
        mistakes = [_mistake(source, text, item) for item in error.errors()]
        raise BadPack("\n".join(mistakes), "Mend these lines.", file=str(source)) from None


def built_in() -> Path:
    """Return the folder of the packs that come with the toolkit: in the wheel, or beside it in a checkout."""
    inside = Path(__file__).parent / BUILT_IN
    return inside if inside.is_dir() else Path(__file__).parents[1] / BUILT_IN


def known() -> list[str]:
    """Name all packs there are: built in, and offered by installed packages."""
    ours = [folder.name for folder in sorted(built_in().iterdir()) if (folder / "mapping.toml").is_file()]
    return list(dict.fromkeys([*ours, *sorted(point.name for point in entry_points(group=ENTRY_POINTS))]))


def _folder(app: str) -> Path:
    """Find a pack's folder; what other packages offer is only loaded when it is asked for."""
    if "/" not in app:
        if (built_in() / app / "mapping.toml").is_file():
            return built_in() / app
        for point in entry_points(group=ENTRY_POINTS, name=app):
            return _offered(point)
    if (Path(app) / "mapping.toml").is_file():
        return Path(app).resolve()
    raise UsageError(
        f"There is no pack `{app}`.", f"Name one of: {', '.join(known())}, or a folder with a mapping.toml."
    )


def _offered(point: EntryPoint) -> Path:
    try:
        return Path(str(point.load()))
    except Exception as error:  # noqa: BLE001  a foreign package may raise anything
        raise BadPack(
            f"The package that offers the pack `{point.name}` cannot be loaded: {type(error).__name__}.",
            "Install it again, or name the pack's folder.",
        ) from None


def _mistake(source: Path, text: str, item: Mapping[str, Any]) -> str:
    place = [str(step) for step in item["loc"]]
    message = str(item["msg"]).removeprefix("Value error, ")
    return ": ".join(filter(None, [f"{source}:{_line(text, place)}", ".".join(place), message]))


def _line(text: str, place: Sequence[str]) -> int:
    """Find the line of a TOML text that a place in its data came from (the nearest one that is written)."""
    table: list[str] = []
    best, depth = 1, 0
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line):
            table = [step.strip().strip('"') for step in header[1].split(".")]
            here = table
        elif key := re.match(r"\s*([A-Za-z0-9_\"-]+)\s*=", line):
            here = [*table, key[1].strip('"')]
        else:
            continue
        common = [step for step in place if not step.isdigit()][: len(here)]
        if here == common and len(here) > depth:
            best, depth = number, len(here)
    return best
