"""Finding packs and reading them: built-in ones, folders, and what installed packages offer."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ..errors import BadPack, UsageError
from .model import Pack

BUILT_IN: Final = "schema"
MAPPING: Final = "mapping.toml"
ENTRY_POINTS: Final = "mediaos_migrate.packs"


def load(app: str) -> Pack:
    """Load a pack by the name of a built-in or installed one, or by its folder; raises BadPack."""
    folder = _folder(app)
    source = folder / MAPPING
    try:
        return _read(folder, source.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadPack(f"{source} cannot be read: {error.strerror}.", "Make it readable.", file=str(source)) from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        line = re.search(r"at line (\d+)", str(error))
        where = f"{source}:{line[1] if line else 1}"
        raise BadPack(f"{where}: this is no TOML: {error}.", "Mend this line.", file=str(source)) from None


@lru_cache(maxsize=8)
def _read(folder: Path, text: str) -> Pack:
    """Read a pack's text, each once: a pack is frozen, and a command may take less time than its reading."""
    try:
        return Pack.model_validate({**tomllib.loads(text), "folder": folder})
    except ValidationError as error:
        source = folder / MAPPING
        mistakes = [_mistake(source, text, item) for item in error.errors()]
        raise BadPack("\n".join(mistakes), "Mend these lines.", file=str(source)) from None


def built_in() -> Path:
    """Return the folder of the packs that come with the toolkit: in the wheel, or beside it in a checkout."""
    inside = Path(__file__).parents[1] / BUILT_IN
    return inside if inside.is_dir() else Path(__file__).parents[2] / BUILT_IN


def known() -> list[str]:
    """Name all packs there are: built in, and offered by installed packages."""
    ours = [folder.name for folder in sorted(built_in().iterdir()) if (folder / MAPPING).is_file()]
    return list(dict.fromkeys([*ours, *sorted(point.name for point in entry_points(group=ENTRY_POINTS))]))


def word_for(pack: Pack) -> str:
    """Return what names a pack wherever it is asked for: its name if it is a known one's, else its folder."""
    named = pack.app in known() and _folder(pack.app).resolve() == pack.folder.resolve()
    return pack.app if named else str(pack.folder.resolve())


def _folder(app: str) -> Path:
    """Find a pack's folder; what other packages offer is only loaded when it is asked for."""
    if "/" not in app:
        if (built_in() / app / MAPPING).is_file():
            return built_in() / app
        for point in entry_points(group=ENTRY_POINTS, name=app):
            return _offered(point)
    if (Path(app) / MAPPING).is_file():
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
