"""Numbered steps of a schema: plain SQL, up and down, one transaction each, one history."""

from .folder import Ladder, Migration, read
from .runner import Applied, History, Loss, applied, down, history, losses, pending, up
from .sql import checksum, normalized, split, statements

__all__ = [
    "Applied",
    "History",
    "Ladder",
    "Loss",
    "Migration",
    "applied",
    "checksum",
    "down",
    "history",
    "losses",
    "normalized",
    "pending",
    "read",
    "split",
    "statements",
    "up",
]
