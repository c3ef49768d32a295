"""What repositories and units of work ask of the site that they belong to."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from .. import site
from ..engines.sqlite import Connection
from ..moves.mirroring import Mirrored
from ..pack import Document
from .view import FileView


class Host(site.Site, ABC):
    """A site that keeps connections and views, and hears what was written."""

    shadow: Any

    @abstractmethod
    def connection(self) -> Connection | None:
        """Return this thread's connection to the database, None as long as there is no database."""

    @abstractmethod
    def view(self, document: Document) -> FileView:
        """Return a document's file as tables in memory."""

    @abstractmethod
    def unit_of_work(self) -> Any:
        """Begin a unit of work."""

    @abstractmethod
    def repository(self, document: str, part: str, unit: Any, *, model: bool = False) -> Any:
        """Return the records of a document."""

    @abstractmethod
    def model(self, document: Document, part: str) -> type[BaseModel]:
        """Return the pydantic model of a document's records."""

    @abstractmethod
    def wake(self, changes: int) -> None:
        """Hear that so much was written."""

    @abstractmethod
    def flush(self) -> Sequence[Mirrored]:
        """Write every file that is behind its table."""

    @abstractmethod
    def follow(self) -> None:
        """Do the same in the background."""

    @abstractmethod
    def compare_aside(self, reads: Sequence[Any]) -> Counter[str] | None:
        """Compare reads with a large file in another process, and count how they came out; None if not."""

    @abstractmethod
    def failed(self, error: Exception, unnoted: Mapping[str, int] | None = None) -> None:
        """Hear that the second home could not be written, nor so many changes be noted."""

    @abstractmethod
    def in_step(self, document: Document) -> None:
        """Hear that a document's homes are in step again."""
