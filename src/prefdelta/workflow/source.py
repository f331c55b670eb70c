"""Digest of the source that a stage runs. It changes if, and only if, code changes that can change a result.

It covers the syntax trees of all modules of this package that the stage imports, directly or not, without comments,
docstrings and formatting. Plumbing is left out: whole packages (`PLUMBING`) that move rows and processes about. The
names of its modules are left out, too, in imports and uses: a plumbing module can be renamed or moved within them.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path

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
    hashed = hashlib.sha256()
    for name in sorted(_closure((module, *sorted(plugins)))):
        if any(f"{name}.".startswith(f"{part}.") for part in within):
            hashed.update(f"{name}\n{_tree_text(name)}\n".encode())
    return hashed.hexdigest()[:16]


def sources(module: str, plugins: tuple[str, ...] = ()) -> dict[str, str]:
    """Digest of each module that `digest` covers, by name: shows which modules make two digests differ."""
    names = sorted(_closure((module, *sorted(plugins))))
    return {name: hashlib.sha256(_tree_text(name).encode()).hexdigest()[:8] for name in names}


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
        open_names += _imports(name)
        if "." in name:
            open_names.append(name.rpartition(".")[0])
    return reached


@cache
def _imports(module: str) -> tuple[str, ...]:
    """The modules of this package that a module imports, anywhere in its source."""
    names: list[str] = []
    for node in ast.walk(_tree(module)):
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
    return tuple(name for name in names if name == PACKAGE or name.startswith(f"{PACKAGE}."))


def _last_name(node: ast.Name | ast.Attribute) -> str:
    return node.id if isinstance(node, ast.Name) else node.attr


def _path(module: str) -> Path | None:
    """The source file of a module of this package, or None if no module has that name."""
    stem = ROOT.joinpath(*module.split(".")[1:])
    return next((path for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.is_file()), None)


@cache
def _tree(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise ModuleNotFoundError(f"no source for {module}")
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _tree_text(module: str) -> str:
    return _TreeText(_tree(module)).text


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
