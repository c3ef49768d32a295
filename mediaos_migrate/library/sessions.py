"""Tokens that count no more: only their digest is kept, and every process hears of it at once."""

from __future__ import annotations

import json
import threading
from base64 import urlsafe_b64decode
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any, ClassVar, Final

from ..engines.sqlite import Connection
from ..errors import UsageError
from ..pack import Blacklist
from .host import Host
from .second import spoken
from .service import Clock, Service, instant, now, text

SKEW: Final = timedelta(minutes=5)  # how far the clocks of those who check tokens may be apart
KEPT: Final = 1_000  # answers in memory at most, for each thread
_INSTANT: Final = "????-??-??T??:??:??.???Z"  # a GLOB; no other form can be compared


class Sessions(Service):
    """The blacklist of an app's tokens.

    A row names no account: one that is deleted would take its revocations with it, and might come back.
    """

    _columns: ClassVar = frozenset({"token_hash", "expires_at", "revoked_at"})

    def __init__(self, site: Host, blacklist: Blacklist, clock: Clock = now) -> None:
        super().__init__(site, blacklist.table, clock)
        self._longest = timedelta(seconds=blacklist.longest)
        self._answers = _Answers()
        self._sql = f"SELECT token_hash, revoked_at FROM {self._table} WHERE token_hash IN (?, ?)"

    def revoke(self, token: str, expires_at: datetime | float) -> None:
        """Let a token count no more; twice is as good as once. `expires_at` is its own, as in its `exp`."""
        self._revoke(_digest(text(token, "A token")), instant(expires_at), again="revoked_at")

    def revoke_all(self, user: str) -> None:
        """Let no token count that was issued to a user (its `sub`) up to this second."""
        self._revoke(_of_user(text(user, "A user")), instant(self._clock() + self._longest), again=":now")

    @spoken
    def _revoke(self, digest: str, until: str, again: str) -> None:
        given = {"digest": digest, "until": until, "now": self._now()}
        with self._writing() as connection:
            done = connection.execute(
                f"UPDATE {self._table} SET expires_at = max(coalesce(expires_at, ''), :until), "
                f"revoked_at = coalesce({again}, :now) WHERE token_hash = :digest",
                given,
            )
            if not done.rowcount:
                connection.execute(
                    f"INSERT INTO {self._table} (token_hash, expires_at, created_at, revoked_at) "
                    "VALUES (:digest, :until, :now, :now)",
                    given,
                )

    @spoken
    def is_revoked(self, token: str) -> bool:
        """Tell whether a token, whose signature was checked before, counts no more.

        Answers from memory until anybody commits anything, in whatever process. What cannot be asked is an error,
        never a no.
        """
        digest, connection = _digest(text(token, "A token")), self._connection()
        known = self._answers.still_true(connection)
        if digest not in known:
            if len(known) >= KEPT:
                known.clear()
            known[digest] = self._ask(connection, token, digest)
        return known[digest]

    def _ask(self, connection: Connection, token: str, digest: str) -> bool:
        claims = _claims(token)
        user = claims.get("sub")
        found = connection.execute(self._sql, (digest, _of_user(user) if isinstance(user, str) else digest)).fetchall()
        return any(revoked is not None and (mine == digest or _issued(claims) <= revoked) for mine, revoked in found)

    @spoken
    def purge_expired(self) -> int:
        """Forget tokens that have expired by any clock, and return how many; none while the clock is behind."""
        with self._writing() as connection:
            last = connection.execute(f"SELECT max(revoked_at) FROM {self._table}").fetchone()[0]
            if last is not None and self._now() < last:
                return 0
            done = connection.execute(
                f"DELETE FROM {self._table} WHERE expires_at < ? AND expires_at GLOB ? AND revoked_at IS NOT NULL",
                (instant(self._clock() - SKEW), _INSTANT),
            )
            return done.rowcount


class _Answers(threading.local):
    """What this thread's connection has answered since anybody has last changed the database."""

    def __init__(self) -> None:
        self._since: tuple[Connection, int, int] | None = None
        self._known: dict[str, bool] = {}

    def still_true(self, connection: Connection) -> dict[str, bool]:
        """Return the answers that stand, to be filled; none inside a transaction, which may be undone."""
        if connection.in_transaction:
            return {}
        others = connection.execute("PRAGMA data_version").fetchone()[0]
        now = (connection, others, connection.total_changes)
        if now != self._since:
            self._since, self._known = now, {}
        return self._known


def _digest(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _of_user(user: str) -> str:
    """Stand for all tokens of a user; no token has a blank in it."""
    return _digest(f"all of {user}")


def _claims(token: str) -> dict[str, Any]:
    """Read what a JSON Web Token says; {} for any other token."""
    try:
        body = token.split(".")[1]
        found = json.loads(urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    except (IndexError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _issued(claims: dict[str, Any]) -> str:
    """Return when a token was issued; one that does not say so is older than everything."""
    try:
        return instant(float(claims["iat"]))
    except (KeyError, TypeError, ValueError, OverflowError, UsageError):
        return ""
