"""How secrets stand, and what was done to them, as lines of text and as JSON; never a value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from ..report import CAP, Key
from .payload import key_of
from .words import Lines, many, some, spelled, table

if TYPE_CHECKING:
    from pathlib import Path

    from ..moves.keychecking import Found, KeyCheck
    from ..moves.rotating import Rotated
    from ..moves.scrubbing import Scrubbed
    from ..moves.sealing import Sealed

COLUMNS: Final = ("opens", "sealed_here", "plain", "hash", "unopened", "untried")
SAID: Final = {
    "unopened": "looks sealed but does not open",
    "untried": "needs the key, and none was given",
    "plain": "in clear text",
}
HONEST: Final = (
    "An SSD, a copy-on-write file system, a snapshot or another backup may still hold what was here: "
    "where that matters, change the passwords themselves."
)


def check(result: KeyCheck) -> dict[str, Any]:
    """Describe how secrets stand."""
    return {
        "key": {"given": result.given, "current": result.current, "rotating": result.rotating},
        "secrets": [
            {
                "document": tally.document,
                "home": tally.home,
                "member": tally.member,
                "app_opens": tally.app_opens,
                **tally.counts,
                "keys": {state: [key_of(key) for key in keys] for state, keys in tally.keys.items()},
            }
            for tally in result.tallies
        ],
    }


def checked(result: KeyCheck) -> Lines:
    """Tell how secrets stand."""
    if not result.tallies:
        yield "There are no secrets."
        return
    heading = ("document", "home", "member", *(name.replace("_", " ") for name in COLUMNS))
    rows = [(t.document, t.home, t.member, *(t.counts[name] for name in COLUMNS)) for t in result.tallies]
    yield from table([heading, *rows])
    yield ""
    for state, said in SAID.items():
        for tally in result.tallies:
            if tally.keys[state]:
                yield f"{tally.document} ({tally.member}, {tally.home}) {said}: {some(_spelled(tally.keys[state]))}"
    yield from _verdict(result)


def _verdict(result: KeyCheck) -> Lines:
    if result.rotating:
        yield "The key is being changed: complete it with `mediaos-migrate keys rotate`."
    if result.current is False:
        yield "This is not the key that the site is sealed with."
    if result.count("unopened"):
        yield "Give the app's own key; what still does not open must be entered anew in the app."
    elif result.count("untried"):
        yield "Give the key to learn whether they open (ENCRYPTION_KEY or --key-file)."
    else:
        yield "Every sealed secret opens."
    plain = [tally for tally in result.tallies if tally.counts["plain"]]
    if any(tally.app_opens or tally.home != "file" for tally in plain):
        yield "Seal what can be sealed with `mediaos-migrate keys seal`."
    if any(not tally.app_opens and tally.home == "file" for tally in plain):
        yield "Where the app reads plain text only, it stays plain in the file."


def _spelled(keys: Iterable[Key]) -> list[str]:
    return [spelled(key) for key in keys]


def grouped(planned: Sequence[Found]) -> list[tuple[tuple[str, str, str], list[Key]]]:
    """Put secrets together by document, home and member."""
    found: dict[tuple[str, str, str], list[Key]] = {}
    for item in planned:
        found.setdefault((item.document, item.home, item.member), []).append(item.key)
    return list(found.items())


def planned(found: Sequence[Found], verb: str) -> Lines:
    """Tell what is to be done to secrets."""
    for (document, home, member), keys in grouped(found):
        yield f"{document} ({member}, {home}): {many(len(keys), 'secret')} to {verb}: {some(_spelled(keys))}"


def _plan(found: Sequence[Found]) -> list[dict[str, Any]]:
    return [
        {
            "document": document,
            "home": home,
            "member": member,
            "count": len(keys),
            "keys": [key_of(key) for key in keys[:CAP]],
        }
        for (document, home, member), keys in grouped(found)
    ]


def seal(result: Sealed) -> dict[str, Any]:
    """Describe what was sealed, and how secrets stand now."""
    told = check(result.after) if result.after else {}
    return {"planned": _plan(result.planned), "backup": result.backup, **told}


def sealed(result: Sealed) -> Lines:
    """Tell what was sealed."""
    if not result.planned:
        yield "Nothing to do: all that can be sealed is."
        return
    yield from planned(result.planned, "seal")
    yield f"Sealed. Backed up before, as {result.backup}."
    yield "Older copies still hold the plain text: `mediaos-migrate scrub` finds them."


def rotate(result: Rotated) -> dict[str, Any]:
    """Describe a change of the key, and how secrets stand now."""
    told = check(result.after) if result.after else {}
    return {
        "planned": _plan(result.planned),
        "resumed": result.resumed,
        "backup": result.backup,
        **told,
    }


def rotated(result: Rotated, app: str, variable: str | None) -> Lines:
    """Tell how a change of the key went, and what to do now."""
    if result.resumed:
        yield "This went on from a run that was interrupted."
    yield from planned(result.planned, "seal anew")
    if result.planned:
        yield f"Sealed with the new key. Backed up before, as {result.backup}."
    else:
        yield "Nothing to do: no secret is sealed with the old key."
    yield f"Now give {app} the new key ({variable}) and start it; with the old key it opens nothing any more."
    yield "Keep the old key as long as you keep backups from before."


def scrub(result: Scrubbed, data: Path) -> dict[str, Any]:
    """Describe where plain secrets were left."""
    return {
        "scanned": result.scanned,
        "found": [
            {
                "file": _place(trace.path, data),
                "kind": trace.kind,
                "members": trace.members,
                "texts": trace.texts,
                "done": trace.done,
            }
            for trace in result.traces
        ],
        "done": len(result.traces) - len(result.left),
        "left": len(result.left),
    }


def traces(result: Scrubbed, data: Path) -> Lines:
    """Tell where plain secrets were left."""
    for trace in result.traces:
        what = [f"{member} ({count})" for member, count in trace.members.items()]
        what += [many(trace.texts, "known secret") + " in its bytes"] if trace.texts else []
        done = "" if trace.done == "left" else f": {trace.done}"
        yield f"{_place(trace.path, data)} ({trace.kind}) holds in clear text: {', '.join(what)}{done}"


def scrubbed(result: Scrubbed, data: Path) -> Lines:
    """Tell what was found and what became of it."""
    if not result.traces:
        yield f"No plain secret was found in {many(result.scanned, 'file')} beside the live ones."
        return
    yield from traces(result, data)
    yield ""
    if len(result.left) < len(result.traces):
        yield HONEST
    kinds = {trace.kind for trace in result.left}
    if kinds & {"copy", "conflict", "state"}:
        yield "Seal what the app opens with `mediaos-migrate scrub --seal`, or remove the copies with `scrub --shred`."
    if "backup" in kinds:
        yield "Backups go as a whole, and only with `mediaos-migrate scrub --shred --backups`: make a new one first."
    if "database" in kinds:
        yield "Free pages and the log are wiped with `mediaos-migrate scrub --seal` (or `--shred`)."


def _place(path: Path, data: Path) -> str:
    return str(path.relative_to(data)) if data in path.parents else str(path)
