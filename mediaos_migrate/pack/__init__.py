"""What we know about one source app, as data: `mapping.toml` read into frozen models."""

from .loading import MAPPING, built_in, known, load
from .model import Document, Pack
from .part import DOCUMENT, KEY, VALUE, Child, Column, Derived, Explanation, Hidden, Part, Rule, View

__all__ = [
    "DOCUMENT",
    "KEY",
    "MAPPING",
    "VALUE",
    "Child",
    "Column",
    "Derived",
    "Document",
    "Explanation",
    "Hidden",
    "Pack",
    "Part",
    "Rule",
    "View",
    "built_in",
    "known",
    "load",
]
