"""Digest of the source that a stage runs. It changes if, and only if, code changes that can change a result.

It covers the syntax trees of all modules of this package that the stage imports, directly or not, without comments,
docstrings and formatting. Plumbing is left out: whole packages (`PLUMBING`) that move rows and processes about. The
names of its modules are left out, too, in imports and uses: a plumbing module can be renamed or moved within them.

What was read from a file is kept beside Python's byte code, by the file's content: a job starts without parsing a tree.
"""

import ast
import hashlib
import importlib.util
import json
import sys
from collections.abc import Iterable
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import NamedTuple
from uuid import uuid4

PACKAGE = "prefdelta"
ROOT = Path(__file__).parents[1]
# Whole packages: a module that can change a result belongs in another one.
PLUMBING = tuple(f"{PACKAGE}.{wing}" for wing in ("system", "store", "scheduler", "workflow"))


class UntraceableImportError(Exception):
    """An import whose target the source does not name, so that no digest can follow it."""


@cache
def digest(module: str, plugins: tuple[str, ...] = (), within: tuple[str, ...] = (PACKAGE,)) -> str:
    """Digest of `module` and of the `plugins` (modules) that a job's settings name, with all that they import.

    within: only these modules and packages count. It serves content keys that already include what the other modules
    decide, so that editing those modules recomputes nothing.
    Raises UntraceableImportError.
    """
    covered = modules(module, plugins, within)
    return hashlib.sha256("".join(f"{name} {_read(name).text}\n" for name in covered).encode()).hexdigest()[:16]


def modules(module: str, plugins: tuple[str, ...] = (), within: tuple[str, ...] = (PACKAGE,)) -> list[str]:
    """The modules that `digest` covers, in their order."""
    reached = sorted(_closure((module, *sorted(plugins))))
    return [name for name in reached if any(f"{name}.".startswith(f"{part}.") for part in within)]


def sources(module: str, plugins: tuple[str, ...] = ()) -> dict[str, str]:
    """Digest of each module that `digest` covers, by name: shows which modules make two digests differ."""
    return {name: _read(name).text[:8] for name in modules(module, plugins)}


def is_plumbing(module: str) -> bool:
    """Whether a module lies in one of the packages that cannot change a result."""
    return f"{module}.".startswith(tuple(f"{wing}." for wing in PLUMBING))


def _closure(start: Iterable[str]) -> set[str]:
    """The modules that `start` imports, directly or not, with the packages they lie in, and without plumbing."""
    reached: set[str] = set()
    open_names = list(start)
    while open_names:
        name = open_names.pop()
        if name in reached or is_plumbing(name):
            continue
        reached.add(name)
        open_names += _read(name).imports
        if "." in name:
            open_names.append(name.rpartition(".")[0])
    _keep(reached)
    return reached


class _Module(NamedTuple):
    """What a digest takes from a module's source."""

    content: str  # sha256 of the file
    imports: list[str]  # the modules of this package that it imports, anywhere in its source
    text: str  # sha256 of its syntax tree's text


@cache
def _read(module: str) -> _Module:
    path = _path(module)
    if path is None:
        raise ModuleNotFoundError(f"no source for {module}")
    source = path.read_bytes()
    content = hashlib.sha256(source).hexdigest()
    kept = _kept().get(module)
    if kept and kept.content == content:
        return kept
    tree = ast.parse(source)
    text = hashlib.sha256(_TreeText(tree).text.encode()).hexdigest()
    return _Module(content, _imports(module, tree), text)


def _imports(module: str, tree: ast.Module) -> list[str]:
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                raise UntraceableImportError(f"{module}, line {node.lineno}: write the import with its full name")
            origin = node.module or ""
            if origin == "importlib" and any(alias.name == "import_module" for alias in node.names):
                raise UntraceableImportError(f"{module}, line {node.lineno}: load it through {PACKAGE}.system.plugins")
            names += [name if _path(name := f"{origin}.{alias.name}") else origin for alias in node.names]
        elif isinstance(node, ast.Name | ast.Attribute) and _last_name(node) in ("import_module", "__import__"):
            raise UntraceableImportError(f"{module}, line {node.lineno}: load it through {PACKAGE}.system.plugins")
    return list(dict.fromkeys(name for name in names if name == PACKAGE or name.startswith(f"{PACKAGE}.")))


def _last_name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _path(module: str) -> Path | None:
    """The source file of a module of this package, or None if no module has that name."""
    stem = ROOT.joinpath(*module.split(".")[1:])
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


@cache
def _premises() -> str:
    """Digest of what a module's reading depends on besides its file: this module, and which others there are."""
    paths = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))
    return hashlib.sha256("\n".join([Path(__file__).read_text(encoding="utf-8"), *paths]).encode()).hexdigest()


_KEPT = Path(importlib.util.cache_from_source(__file__)).with_name("source_digests.json")


@cache
def _kept() -> dict[str, _Module]:
    """What an earlier process read, by module; nothing, if that cannot be read or no longer holds."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        file = json.loads(_KEPT.read_text(encoding="utf-8"))
        if file["premises"] == _premises():
            return {name: _Module(*fields) for name, fields in file["modules"].items()}
    return {}


def _keep(names: Iterable[str]) -> None:
    """Keep what was read of modules, where byte code may be written. Of two processes, the later one's file stays."""
    read = {name: _read(name) for name in names}
    if sys.dont_write_bytecode or all(_kept().get(name) == module for name, module in read.items()):
        return
    _kept().update(read)
    with suppress(OSError):
        _KEPT.parent.mkdir(exist_ok=True)
        new = _KEPT.with_suffix(f".{uuid4().hex}")
        new.write_text(json.dumps({"premises": _premises(), "modules": _kept()}), encoding="utf-8")
        new.replace(_KEPT)


def _full_name(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> str:
    return f"{node.module}.{alias.name}" if isinstance(node, ast.ImportFrom) else alias.name


class _TreeText:
    """A module's syntax tree as text that is the same under every Python; `ast.dump` differs between versions.

    Imports of plumbing are left out. Where a plumbing module is used, a number stands for its name: its place in the
    order of first use.
    """

    def __init__(self, tree: ast.Module) -> None:
        imports = [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]
        self._plumbing = {  # the names by which this module calls plumbing modules
            alias.asname or alias.name
            for node in imports
            for alias in node.names
            if is_plumbing(name := _full_name(node, alias)) and _path(name)
        }
        self._numbers: dict[str, int] = {}
        self.text = self._of(tree)

    def _of(self, node: object) -> str:
        if isinstance(node, list):
            return "[" + ",".join(self._of(item) for item in node if not _imports_plumbing(item)) + "]"
        if not isinstance(node, ast.AST):
            return repr(node)
        if isinstance(node, ast.Name | ast.Attribute) and self._plumbing and (name := _dotted(node)) in self._plumbing:
            return f"plumbing{self._numbers.setdefault(name, len(self._numbers))}"
        parts = []
        for name, value in ast.iter_fields(node):
            if name == "body" and isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                value = value[1:] if ast.get_docstring(node, clean=False) is not None else value
            if name == "body" and isinstance(node, ast.ClassDef):
                value = [statement for statement in value if not _is_string(statement)]  # strings alone describe fields
            if name == "names" and isinstance(node, ast.Import | ast.ImportFrom):
                value = [alias for alias in value if not is_plumbing(_full_name(node, alias))]
            if name == "values" and isinstance(node, ast.JoinedStr):  # Python 3.12 adds "" after `{x:>{width}}`
                value = [part for part in value if not (isinstance(part, ast.Constant) and part.value == "")]
            # Empty fields are left out: newer Pythons add fields (`type_params`) that older ones do not have.
            if value not in (None, []) and name not in ("ctx", "type_comment", "kind"):
                parts.append(f"{name}={self._of(value)}")
        return f"{type(node).__name__}({','.join(parts)})"


def _is_string(node: ast.stmt) -> bool:
    """Whether a statement is a string and nothing else."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _imports_plumbing(node: object) -> bool:
    """Whether a statement imports plumbing and nothing else."""
    if isinstance(node, ast.ImportFrom) and is_plumbing(node.module or ""):
        return True
    return isinstance(node, ast.Import | ast.ImportFrom) and all(
        is_plumbing(_full_name(node, alias)) for alias in node.names
    )


def _dotted(node: ast.Name | ast.Attribute) -> str | None:
    """The text of a name such as `x` or `x.y`; None for anything longer."""
    if isinstance(node, ast.Name):
        return node.id
    return f"{node.value.id}.{node.attr}" if isinstance(node.value, ast.Name) else None
