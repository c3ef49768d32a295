"""What we know about one source app, as data: `mapping.toml` read into frozen models."""

from .loading import built_in, known, load
from .model import Document, Pack
from .part import DOCUMENT, KEY, VALUE, Child, Column, Derived, Hidden, Part, Rule, View

__all__ = [
    "DOCUMENT",
    "KEY",
    "VALUE",
    "Child",
    "Column",
    "Derived",
    "Document",
    "Hidden",
    "Pack",
    "Part",
    "Rule",
    "View",
    "built_in",
    "known",
    "load",
]
