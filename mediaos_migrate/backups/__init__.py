"""Backups: the files as bytes and the database of one moment, in a folder or one file, read with distrust.

`manifest` is the format, `places` reads it, `sealing` encrypts it, `taking` makes one, `checking` proves one,
`keeping` says which may go.
"""

from .manifest import Manifest
from .places import Backup, all_of, find, holding
from .taking import Wish, clear_partial, take

__all__ = ["Backup", "Manifest", "Wish", "all_of", "clear_partial", "find", "holding", "take"]
