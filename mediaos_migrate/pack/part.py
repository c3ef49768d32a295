"""How one part of a document becomes rows of one table: columns, secrets, rules."""

from __future__ import annotations

from functools import cached_property
from itertools import permutations
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints, model_validator

from ..report import Way

KEY: Final = "$key"
VALUE: Final = "$value"
DOCUMENT: Final = "$document"

_OURS: Final = ("position", "extra", "members", "secret_state", "rowid")  # columns of every table

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_]{0,62}$")]
Stem = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
Codec = Literal["text", "integer", "real", "flag", "instant", "json", "secret"]


class Model(BaseModel):
    """A frozen piece of a pack; what it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Column(Model):
    """A member of a record that has a column of its own; `app_opens`: the app opens a sealed value here."""

    member: str
    codec: Codec = "text"
    app_opens: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.app_opens and self.codec != "secret":
            raise ValueError(f"`{self.member}` is no secret that the app could open")
        return self


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
    """Where a secret lies in a record; `*` stands for every member or element.

    `app_opens`: the app opens a sealed value here, so that it may be sealed in the file too.
    """

    at: tuple[str, ...] = Field(min_length=1)
    kind: Literal["credential", "hash", "url"] = "credential"
    app_opens: bool = False

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.app_opens and self.kind != "credential":
            raise ValueError(f"no app opens a {self.kind}, as at {'.'.join(self.at)}")
        return self


class Rule(Model):
    """One of the app's own rules; data that breaks it is kept, and reported as an anomaly."""

    code: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]
    means: str
    remedy: str
    unique: tuple[str, ...] = ()
    lower: tuple[str, ...] = ()
    member: str | None = None
    known: tuple[str, ...] = ()
    listed: tuple[str, ...] = ()
    refers: Stem | None = None
    repeats: tuple[str, ...] = ()
    variants: dict[str, str] = {}


class Explanation(Model):
    """A difference between file and table that is none to the app, and why.

    `members` are dotted paths, `*` for any step (none: all members). Two instants are explained when they are
    no more than `within_seconds` apart.
    """

    code: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*$")]
    way: Way
    reason: str
    members: tuple[str, ...] = ()
    within_seconds: float = 0


class Part(Model):
    """How one part of a document becomes rows of one table, and back.

    `stamp` names a column, of no member, with the time at which the app's columns of a row were changed: who changes
    one sets it along, so that a trigger that would need not write the row a second time.
    """

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
    explains: tuple[Explanation, ...] = ()
    stamp: Identifier | None = None
    new_key: Annotated[str, StringConstraints(pattern=r"^[a-z_{}0-9:-]+$")] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name in (*self.key, *self.search, *(item.of for item in self.derived.values())):
            if name not in self.columns:
                raise ValueError(f"`{name}` is no column of `{self.table}`")
        if self.stamp in {*self.columns, *self.views, *self.derived, *_OURS}:
            raise ValueError(f"the stamp `{self.stamp}` has another meaning already")
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
    def _unique_in_columns(self) -> Self:
        members = [column.member for column in self.columns.values()]
        for member in (member for rule in self.rules for member in rule.unique):
            if member not in members:
                raise ValueError(f"`{member}` has to be unique, and so needs a column")
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
        columns = (Hidden(at=(c.member,), app_opens=c.app_opens) for c in self.columns.values() if c.codec == "secret")
        children = (
            Hidden(at=(child.member, "*", c.member), app_opens=c.app_opens)
            for child in self.children.values()
            for c in child.columns.values()
            if c.codec == "secret"
        )
        return (*columns, *children, *self.secrets)

    @property
    def document_key(self) -> bool:
        """Whether the key is the document itself: many documents share one table."""
        return any(self.columns[name].member == DOCUMENT for name in self.key)
