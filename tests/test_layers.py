"""Knowledge flows one way: who imports whom, who prints, who writes files, and what the package offers."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import mediaos_migrate

HOUSE: Final = Path(mediaos_migrate.__file__).parent

# Top to bottom. A module imports from the layers above its own; neighbours in one layer do not know each other.
# A folder's name stands for all that is in it.
LAYERS: Final = [
    "errors crash",
    "budget values shapes stages report",
    "digest spill",
    "pack codecs",
    "derived fields differences",
    "mapping record",
    "compare",
    "files scratch",
    "documents engines locks secrets",
    "migrations",
    "anomalies stores ledger journal slow",
    "evidence marker keyring quarantine",
    "site",
    "room",
    "backups",
    "moves",
    "library",
    "aio drill",
    "show",
    "cli",
]
LEVEL: Final = {name: level for level, names in enumerate(LAYERS) for name in names.split()}
OFFERED: Final = ["MigrateError", "Pack", "Site", "__version__"]
PRINTING: Final = {"cli.main", "show.progress", "crash"}
# Beside `files`, a file is opened for writing here only, and why.
WRITING: Final = {
    ("locks", "_taken"): "the lock file says who holds it",
    ("scratch", "folder"): "the lock file of a scratch folder, which is removed with it",
    ("scratch", "_sweep"): "the same lock, tried",
    ("engines.sqlite", "_look"): "an interrupted write is mended in a copy, in a temporary folder",
    ("cli.main", "_print"): "what nobody reads any more goes to the null device",
    ("cli.forked", "_prepare"): "what a command says in a drill, in scratch",
    ("drill.disasters", "edit"): "as an app writes that knows nothing of us, on a copy in scratch",
    ("drill.disasters", "torn_file"): "as an app that dies while it writes, on a copy in scratch",
    ("drill.play", "Play.aside"): "the copy itself",
}


def name_of(path: Path) -> str:
    """Return a module's dotted name within the package; that of a folder's __init__ is the folder's."""
    parts = path.relative_to(HOUSE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES: Final = {name_of(path): path for path in sorted(HOUSE.rglob("*.py")) if path.name != "__main__.py"}
INSIDE: Final = [name for name in MODULES if name]  # the package itself knows everybody


@cache
def tree_of(module: str) -> ast.Module:
    return ast.parse(MODULES[module].read_text(encoding="utf-8"))


@cache
def imports_of(module: str) -> frozenset[str]:
    """Return the modules of ours that a module imports, anywhere in it."""
    return frozenset(name for node in ast.walk(tree_of(module)) for name in _imported(module, node)) - {module}


def _imported(module: str, node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.ImportFrom) and node.level:
        package = module.split(".") if MODULES[module].name == "__init__.py" else module.split(".")[:-1]
        base = package[: len(package) - node.level + 1] + (node.module.split(".") if node.module else [])
        for alias in node.names:
            whole, part = ".".join([*base, alias.name]), ".".join(base)
            yield whole if whole in MODULES else part
    elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("mediaos_migrate"):
        yield (node.module or "").partition(".")[2]
    elif isinstance(node, ast.Import):
        yield from (a.name.partition(".")[2] for a in node.names if a.name.startswith("mediaos_migrate"))


def layer_of(module: str) -> str:
    return module.partition(".")[0]


def test_every_module_has_its_layer() -> None:
    assert {layer_of(module) for module in INSIDE} == set(LEVEL)


@pytest.mark.parametrize("module", INSIDE)
def test_a_module_knows_only_the_layers_above_its_own(module: str) -> None:
    own = layer_of(module)
    # `from . import __version__` is the one thing that everybody may ask of the package itself.
    known = {layer_of(name) for name in imports_of(module) if name} - {own}
    assert {name for name in known if LEVEL[name] >= LEVEL[own]} == set()


def test_no_module_leads_back_to_itself() -> None:
    assert list(_cycles()) == []


def _cycles() -> Iterator[list[str]]:
    """Walk the imports in depth; a module met on its own way down is a cycle."""
    done: set[str] = set()

    def walk(module: str, way: list[str]) -> Iterator[list[str]]:
        if module in way:
            yield [*way[way.index(module) :], module]
        elif module not in done:
            for name in sorted(imports_of(module) & set(INSIDE)):
                yield from walk(name, [*way, module])
            done.add(module)

    for module in INSIDE:
        yield from walk(module, [])


def test_the_package_offers_what_its_first_sentences_speak_of() -> None:
    assert mediaos_migrate.__all__ == OFFERED
    assert all(hasattr(mediaos_migrate, name) for name in OFFERED)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module or "the package")
def test_a_module_begins_with_one_sentence(module: str) -> None:
    text = ast.get_docstring(tree_of(module)) or ""
    sentence, _, rest = text.partition("\n")
    assert sentence.endswith((".", "`.", ":"))
    assert "TODO" not in text
    assert not rest or rest.startswith("\n"), "the first sentence stands on a line of its own"


def calls(module: str) -> Iterator[tuple[str, ast.Call]]:
    """Find every call, and the function that makes it."""
    yield from _calls(tree_of(module), [])


def _calls(node: ast.AST, inside: list[str]) -> Iterator[tuple[str, ast.Call]]:
    if isinstance(node, ast.Call):
        yield ".".join(inside), node
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        inside = [*inside, node.name]
    for child in ast.iter_child_nodes(node):
        yield from _calls(child, inside)


def test_only_the_command_line_the_narrator_and_the_crash_points_print() -> None:
    printing = {
        module
        for module in MODULES
        for _, call in calls(module)
        if (isinstance(call.func, ast.Name) and call.func.id == "print")
        or (isinstance(call.func, ast.Attribute) and ast.unparse(call.func) in ("sys.stdout.write", "typer.echo"))
    }
    assert printing <= PRINTING


def test_only_files_opens_a_file_for_writing() -> None:
    found = {
        (module, place) for module in INSIDE if module != "files" for place, call in calls(module) if _writes(call)
    }
    assert found <= set(WRITING)


def _writes(call: ast.Call) -> bool:
    """Tell whether a call opens a file in a mode that writes, or writes a whole one."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if name in ("write_text", "write_bytes", "touch", "NamedTemporaryFile", "mkstemp", "copyfile", "copy2", "copytree"):
        return True
    if name not in ("open", "fdopen"):
        return False
    given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "mode")]
    modes = [arg.value for arg in given if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
    return any(set(mode) & set("wax+") and set(mode) <= set("rwaxbt+") for mode in modes) or "O_" in ast.unparse(call)


def test_every_exception_to_writing_is_still_needed() -> None:
    found = {(module, place) for module in INSIDE for place, call in calls(module) if _writes(call)}
    assert set(WRITING) <= found
