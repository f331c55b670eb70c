import ast
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from prefdelta.workflow import source

PLAIN = {
    "__init__.py": "",
    "stages/__init__.py": "",
    "stages/pair.py": "from prefdelta.core.pairs.pairing import pool\ndef run(rows):\n    return pool(rows)[:3]\n",
    "core/__init__.py": "",
    "core/pairs/__init__.py": "",
    "core/pairs/pairing.py": "def pool(rows):\n    return sorted(rows)\n",
    "core/other.py": "X = 1\n",
}


@pytest.fixture
def package(tmp_path):
    """A small package of the same name, with a copy of source.py: its ROOT is above where it lies."""
    root = tmp_path / "prefdelta"
    edit(root, {**PLAIN, "workflow/__init__.py": ""})
    shutil.copy(source.__file__, root / "workflow/source.py")
    return root


def edit(root, files):
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")


def fresh(root):
    """source.py of that package, newly loaded: what an earlier call read is forgotten."""
    spec = importlib.util.spec_from_file_location("code_of_a_test", root / "workflow/source.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def digest(root, plugins=(), **files):
    """The digest of stages/pair.py after an edit; files: pair, pairing, ... -> new text."""
    places = {"pair": "stages/pair.py", "pairing": "core/pairs/pairing.py", "other": "core/other.py"}
    edit(root, {places[name]: text for name, text in files.items()})
    return fresh(root).digest("prefdelta.stages.pair", plugins)


BODY = "def run(rows):\n    x = 1\n    return rows[:x]\n"


@pytest.mark.parametrize(
    "edited",
    [
        "# a comment\ndef run(rows):  # another\n    x = 1\n    return rows[:x]\n",
        '"""A module."""\ndef run(rows):\n    """A function."""\n    x = 1\n    return rows[:x]\n',
        "def run(\n    rows,\n):\n\n    x = (1)\n    return rows[ : x]\n",
        "def run(rows):\n    x = 0x1; return rows[:x]\n",
    ],
    ids=["comments", "docstrings", "formatting", "another way to write a number"],
)
def test_what_the_interpreter_does_not_see_changes_nothing(edited, package):
    assert digest(package, pair=BODY) == digest(package, pair=edited)


def test_the_prefix_of_a_unicode_string_does_not_count(package):
    assert digest(package, pair="x = u'a'\n") == digest(package, pair="x = 'a'\n")


def test_docstrings_of_classes_and_async_functions_do_not_count(package):
    plain = "class A:\n    x = 1\n    async def f(self):\n        return 1\n"
    told = 'class A:\n    """A."""\n    x = 1\n    async def f(self):\n        """F."""\n        return 1\n'
    assert digest(package, pair=plain) == digest(package, pair=told)


def test_strings_below_fields_of_a_class_do_not_count(package):
    plain = "class A:\n    x: int = 1\n    y: int\n"
    told = 'class A:\n    x: int = 1\n    """An x."""\n    y: int\n    """A y."""\n'
    assert digest(package, pair=plain) == digest(package, pair=told)
    assert digest(package, pair=plain) != digest(package, pair="class A:\n    x: int = 1\n    y = 'A y.'\n")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = 1", "x = 2"),
        ("x = 1", "x = True"),
        ("x = 1", "x = 1.0"),
        ("x = 1", "x = '1'"),
        ("x = 'a'", "x = b'a'"),
        ("x = None", "x = ..."),
        ("x = None", "x = ''"),
        ("x = None", "x: None"),
        ("x = 0", "x = None"),
        ("x = y[1:]", "x = y[:1]"),
        ("x = {**y}", "x = {None: y}"),
        ("x = a + b", "x = a - b"),
        ("x = a < b", "x = a <= b"),
        ("x = f'{a}'", "x = f'{a!r}'"),
        ("x = f'{a:>3}'", "x = f'{a:<3}'"),
        ("def f(a, b=1): ...", "def f(a, *, b=1): ..."),
        ("def f(): return 1", "async def f(): return 1"),
        ("def f():\n    'doc'\n    'text'", "def f():\n    'doc'\n    'other'"),  # only the first string is a docstring
        ("try: f()\nexcept A: g()", "try: f()\nexcept B: g()"),
        ("x = 1\ny = 2", "y = 2\nx = 1"),
        ("from json import loads", "from json import dumps"),
        ("import json as a", "import json as b"),
    ],
)
def test_what_the_interpreter_sees_changes_the_digest(before, after, package):
    assert digest(package, pair=before) != digest(package, pair=after)


def test_an_edit_of_an_imported_module_counts(package):
    assert digest(package) != digest(package, pairing="def pool(rows):\n    return list(rows)\n")


def test_an_edit_of_a_module_nothing_imports_does_not_count(package):
    assert digest(package) == digest(package, other="X = 2\n")


@pytest.mark.parametrize(
    "statement",
    [
        "from prefdelta.core import other",
        "from prefdelta.core.other import X",
        "from prefdelta.core.other import *",
        "import prefdelta.core.other",
        "import prefdelta.core.other as o",
        "def f():\n    from prefdelta.core.other import X",
        "class A:\n    def f(self):\n        if 1:\n            import prefdelta.core.other",
        "if TYPE_CHECKING:\n    from prefdelta.core import other",
        "try:\n    from prefdelta.core import missing, other\nexcept ImportError: ...",
    ],
)
def test_an_import_is_followed_wherever_it_stands_and_however_it_is_written(statement, package):
    assert digest(package, pair=statement) != digest(package, pair=statement, other="X = 2\n")


def test_imports_are_followed_at_any_distance(package):
    before = digest(package, pairing="from prefdelta.core import other\n")
    assert before != digest(package, other="X = 2\n")


def test_modules_that_import_each_other_have_a_digest(package):
    assert digest(
        package, pairing="from prefdelta.core.other import X\n", other="import prefdelta.core.pairs.pairing\n"
    )


@pytest.mark.parametrize("name", ["__init__.py", "core/__init__.py", "stages/__init__.py"])
def test_the_packages_on_the_way_count(name, package):
    before = digest(package)
    edit(package, {name: "X = 1\n"})
    assert digest(package) != before


WINGS = ["system/files", "store/tables", "scheduler/slurm", "workflow/source", "workflow/job"]


@pytest.mark.parametrize("name", WINGS)
def test_plumbing_does_not_count_nor_what_only_plumbing_imports(name, package):
    wing, module = name.split("/")
    path = package / f"{name}.py"
    if module != "source":  # which must run for the digest: it is edited, but where it looks nothing up
        edit(package, {f"{wing}/__init__.py": "", f"{name}.py": ""})
    text = path.read_text(encoding="utf-8")
    before = digest(package, pair=f"from prefdelta.{wing} import {module}\n")
    edit(package, {f"{name}.py": f"{text}\ndef f():\n    from prefdelta.core import other\n    return other\n"})
    assert digest(package) == before


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from prefdelta.system.files import say\nsay(1)", "from prefdelta.store.claims import say\nsay(1)"),
        ("from prefdelta.system import files\nfiles.say(1)", "from prefdelta.store import claims\nclaims.say(1)"),
        (
            "from prefdelta import core\nfrom prefdelta.system import files\nfiles.say(1)",
            "from prefdelta import core\nfrom prefdelta.store import claims\nclaims.say(1)",
        ),
        ("from prefdelta.system import files as f\nf.say(1)", "from prefdelta.store import claims\nclaims.say(1)"),
        ("import prefdelta.system.files as f\nf.say(1)", "import prefdelta.store.claims as c\nc.say(1)"),
        (
            "def f():\n    from prefdelta.system import files\n    files.say(1)",
            "def f():\n    from prefdelta.store import tables\n    tables.say(1)",
        ),
        ("x = 1\nfrom prefdelta.system.files import say", "x = 1"),
    ],
)
def test_how_plumbing_is_imported_and_called_does_not_count(before, after, package):
    edit(package, {f"{name}.py": "" for name in ("system/files", "store/claims", "store/tables")})
    assert digest(package, pair=before) == digest(package, pair=after)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from prefdelta.system import files\nfiles.say(1)", "from prefdelta.system import files\nfiles.say(2)"),
        ("from prefdelta.system import files\nfiles.say(1)", "from prefdelta.system import files\nfiles.tell(1)"),
        ("from prefdelta.system.files import say\nsay(1)", "from prefdelta.system.files import tell\ntell(1)"),
        ("from prefdelta.system import files\nfiles.say(1)", "from prefdelta.core import other\nother.say(1)"),
        (
            "from prefdelta.store import files, claims\nfiles.a(claims.b, files.c)",
            "from prefdelta.store import files, claims\nfiles.a(claims.b, claims.c)",
        ),
    ],
)
def test_what_is_done_with_plumbing_counts(before, after, package):
    edit(package, {f"{name}.py": "" for name in ("system/files", "store/files", "store/claims")})
    assert digest(package, pair=before) != digest(package, pair=after)


# Of another name, in another wing of plumbing, and both.
MOVES = {
    "system.files": "system.zipping",
    "store.snapshots": "system.snapshots",
    "store.tables": "workflow.parquets",
    "system.progress": "scheduler.telling",
}


def test_a_plumbing_module_of_another_name_or_place_changes_no_digest(tmp_path):
    def digests():
        module = fresh(root)
        stages = {name: module.digest(f"prefdelta.stages.{name}") for name in ("train", "reference", "judge", "report")}
        within = ("prefdelta.training", "prefdelta.models.loading")  # of a policy's key
        trained = ("methods.dpo", "ladder")
        return stages | {name: module.digest(f"prefdelta.training.{name}", within=within) for name in trained}

    root = shutil.copytree(source.ROOT, tmp_path / "prefdelta")
    before = digests()
    for old, new in MOVES.items():
        (old_wing, old_name), (new_wing, new_name) = old.split("."), new.split(".")
        (root / old_wing / f"{old_name}.py").rename(root / new_wing / f"{new_name}.py")
        moved = 0
        for path in root.rglob("*.py"):
            text = path.read_text(encoding="utf-8")
            edited = text.replace(f"from prefdelta.{old} import", f"from prefdelta.{new} import")
            alone = re.compile(rf"^( *from prefdelta\.){old_wing} import (.*\b){old_name}\b(.*)$", re.MULTILINE)
            if found := alone.search(edited):
                others = [name for name in re.split(r", *", found[2] + found[3]) if name]
                lines = [f"{found[1]}{old_wing} import {', '.join(others)}"] if others else []
                indent = " " * (len(found[1]) - len(found[1].lstrip()))
                lines.append(f"{indent}from prefdelta.{new_wing} import {new_name}")
                edited = edited.replace(found[0], "\n".join(lines))
                edited = re.sub(rf"(?<![\w.]){old_name}(?=\.\w)", new_name, edited)
            moved += edited != text
            path.write_text(edited, encoding="utf-8")
        assert moved
    assert digests() == before


def test_a_plugin_counts_only_where_it_is_named(package):
    named, unnamed = digest(package, ("prefdelta.core.other",)), digest(package)
    assert named != unnamed
    assert digest(package, ("prefdelta.core.other",), other="X = 2\n") != named
    assert digest(package) == unnamed


def test_within_some_packages_nothing_else_of_the_closure_counts(package):
    edit(package, {"core/inner/__init__.py": "", "core/inner/deep.py": "X = 1\n", "core/pairing2.py": "X = 1\n"})
    edit(
        package,
        {"core/pairs/pairing.py": "from prefdelta.core.inner import deep\nfrom prefdelta.core import pairing2\n"},
    )

    def counted(*within):
        return fresh(package).digest("prefdelta.stages.pair", (), within)

    def changed_by(name, *within):
        before = counted(*within)
        edit(package, {name: f"{(package / name).read_text()}\nY = 1\n"})
        return counted(*within) != before

    inner = "prefdelta.core.inner"
    assert changed_by("core/inner/deep.py", inner)  # it is reached through a module that does not count
    assert changed_by("core/inner/__init__.py", inner)
    assert not changed_by("core/pairs/pairing.py", inner)
    assert not changed_by("stages/pair.py", inner)
    assert not changed_by("__init__.py", inner)
    assert changed_by("core/pairs/pairing.py", inner, "prefdelta.core.pairs.pairing")
    assert not changed_by("core/pairing2.py", inner, "prefdelta.core.pairs.pairing")  # a longer name is another module
    assert changed_by("stages/pair.py", "prefdelta")


def test_within_a_package_only_what_is_reached_counts(package):
    def counted():
        return fresh(package).digest("prefdelta.stages.pair", (), ("prefdelta.core",))

    before = counted()
    edit(package, {"core/other.py": "X = 2\n"})
    assert counted() == before


def test_the_order_of_plugins_does_not_count(package):
    names = ("prefdelta.core.other", "prefdelta.core.pairs.pairing")
    assert digest(package, names) == digest(package, names[::-1])


def test_another_stage_with_the_same_text_has_another_digest(package):
    edit(package, {"stages/delta.py": PLAIN["stages/pair.py"]})
    assert fresh(package).digest("prefdelta.stages.delta") != digest(package)


@pytest.mark.parametrize("statement", ["from . import pairing", "from .pairing import pool", "from .. import core"])
def test_a_relative_import_is_refused_with_module_and_line(statement, package):
    edit(package, {"core/pairs/pairing.py": f"x = 1\n{statement}\n"})
    module = fresh(package)
    wanted = r"prefdelta\.core\.pairs\.pairing, line 2: write the import with"
    with pytest.raises(module.UntraceableImportError, match=wanted):
        module.digest("prefdelta.stages.pair")


@pytest.mark.parametrize(
    "statement",
    [
        "importlib.import_module('prefdelta.core.other')",
        "import_module('prefdelta.core.other')",
        "from importlib import import_module as load",
        "__import__('prefdelta.core.other')",
        "load = importlib.import_module",
    ],
)
def test_an_import_whose_target_is_not_in_the_text_is_refused(statement, package):
    edit(package, {"core/pairs/pairing.py": f"x = 1\n{statement}\n"})
    module = fresh(package)
    with pytest.raises(module.UntraceableImportError, match=r"line 2: load it through prefdelta\.system\.plugins"):
        module.digest("prefdelta.stages.pair")


def test_a_missing_module_is_named(package):
    with pytest.raises(ModuleNotFoundError, match=r"no source for prefdelta\.stages\.nowhere"):
        fresh(package).digest("prefdelta.stages.nowhere")


# --- the same digest under every Python -------------------------------------------------------------------------------

# What newer Pythons parse into other trees, or print otherwise: f-strings, type parameters' empty fields, matches.
RICH = '''
import re
@cache
def f(a, /, b: int | None = None, *args: str, c=1.5e-8, **more) -> "x":
    """Doc."""
    x = f"{a!r:>{b}} {b:.1e} {{}} {'nested'}" "and" f"{c}" f""
    with open("a") as g, open("b"): yield
    match a:
        case {"k": [1, *rest], **others} if (y := rest): return lambda z, *w: z
        case C(1, k=2) | None: pass
        case _: raise E from None
    try: ...
    except* E: ...
class A(B, metaclass=M):
    x: int = 10**30
    y = -0.0, 1j, b"\\x00", "é", ..., True, {**a, 1: 2}, {*a}, a[1:, ::2], [i async for i in j if i]
    async def g(self): return await self
type_comment = 1 # type: int
'''
SCRIPT = """
import sys
from pathlib import Path
from prefdelta.workflow import source
stages = sorted(path.stem for path in (source.ROOT / "stages").glob("[a-z]*.py"))
print(sys.version_info[:2], [source.digest(f"prefdelta.stages.{stage}") for stage in stages])
"""


@cache
def interpreter(version):
    """The path of a Python that runs, or None. A shim may exist on PATH for a version that is not there."""
    found = [shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python{version}")]
    for path in filter(None, found):
        asked = [str(path), "-c", "import sys; print('%d.%d' % sys.version_info[:2])"]
        if subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip() == version:
            return str(path)
    return None


def digests_under(python, source):
    command = [python, "-c", SCRIPT]
    environment = {**os.environ, "PYTHONPATH": str(source), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    return done.stdout.partition("[")[2]


@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_digests_are_the_same_under_this_python(version, package):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} that runs was found")
    edit(package, {"stages/rich.py": RICH})
    for tree in (package.parent, source.ROOT.parent):
        found = digests_under(python, tree)
        assert len(found) > 20
        assert found == digests_under(sys.executable, tree)


@pytest.fixture
def keeping(monkeypatch):
    """Byte code may be written, and with it what was read of each module. Returns how often a file is parsed."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    parsed = []
    monkeypatch.setattr(ast, "parse", lambda *given, parse=ast.parse: parsed.append(given) or parse(*given))
    return parsed


def test_what_was_read_of_a_module_is_kept_until_the_module_changes(package, keeping):
    first = digest(package, pair=BODY)
    keeping.clear()
    assert digest(package) == first
    assert keeping == []
    assert digest(package, pair=BODY.replace("1", "2")) != first
    assert len(keeping) == 1


def test_what_was_kept_does_not_hide_that_a_name_has_become_a_module(package, keeping):
    pair = "from prefdelta.core import other\n"
    (package / "core/other.py").unlink()
    before = digest(package, pair=pair)
    assert digest(package, other="X = 1\n") != before


@pytest.mark.parametrize("damage", ["", "{", "{}", "[]", '{"premises": 1, "modules": {}}'])
def test_a_damaged_file_of_what_was_kept_counts_as_none(damage, package, keeping):
    first = digest(package)
    fresh(package)._KEPT.write_text(damage)
    keeping.clear()
    assert digest(package) == first
    assert len(keeping) > 1


def test_where_nothing_can_be_written_nothing_is_kept(package, keeping):
    fresh(package)._KEPT.mkdir(parents=True)  # where the file would be
    assert digest(package) == digest(package)
