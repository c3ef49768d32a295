"""What we know about one source app, as data: `mapping.toml` read into frozen models."""

from .loading import MAPPING, built_in, known, load, word_for
from .model import Blacklist, Document, Pack, Queue
from .part import DOCUMENT, KEY, VALUE, Child, Column, Derived, Explanation, Hidden, Part, Rule, View

__all__ = [
    "DOCUMENT",
    "KEY",
    "MAPPING",
    "VALUE",
    "Blacklist",
    "Child",
    "Column",
    "Derived",
    "Document",
    "Explanation",
    "Hidden",
    "Pack",
    "Part",
    "Queue",
    "Rule",
    "View",
    "built_in",
    "known",
    "load",
    "word_for",
]
