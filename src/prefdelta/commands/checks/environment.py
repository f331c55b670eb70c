"""The source and the Python that jobs run, and what is installed beside it."""

import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prefdelta.commands.checks.check_result import CheckResult, fail, named, ok, warn
from prefdelta.commands.checks.programs import answer
from prefdelta.commands.checks.subject import Subject
from prefdelta.core.errors import StudyError
from prefdelta.models import vllm_install

ENVIRONMENTS = Path("envs")


def source(_: Subject) -> Iterator[CheckResult]:
    """The commit, which every manifest names."""
    try:
        commit = answer("git", "rev-parse", "--short=12", "HEAD")
        edited = answer("git", "--no-optional-locks", "status", "--porcelain").splitlines()
    except StudyError:
        yield ok("no git checkout: manifests will name no commit")
        return
    yield ok(f"commit {commit}, {f'{len(edited)} files are not as in it' if edited else 'nothing was edited since'}")


def python(_: Subject) -> Iterator[CheckResult]:
    """Jobs run the interpreter that runs Snakemake, so it has to be this one."""
    here = Path(sys.executable).parent
    told = f"Python {platform.python_version()}, {here}"
    if not (here / "snakemake").is_file():
        yield fail(f"{told}: snakemake is not installed there", "make setup, or make setup-gpu on a cluster")
        return
    other = shutil.which("snakemake")
    if other and Path(other).parent.resolve() != here.resolve():
        yield warn(
            f"{told}; but `snakemake` alone is {other}, of another environment",
            f". {here / 'activate'}, or write {here / 'snakemake'}",
        )
        return
    yield ok(told)


def packages(subject: Subject) -> Iterator[CheckResult]:
    """What is installed against the pins, and vLLM if an engine of the study is it."""
    file = ENVIRONMENTS / ("gpu.txt" if _installed("vllm") else "cpu.txt")
    setup = "make setup-gpu" if file.name == "gpu.txt" else "make setup"
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", file.read_text(encoding="utf-8"), flags=re.MULTILINE))
    found = {name: _installed(name) for name in pinned}
    if absent := [name for name, there in found.items() if there is None]:
        yield fail(f"{len(absent)} packages of {file} are not installed: {named(absent)}", setup)
    # A build of torch may name its CUDA: 2.13.0+cpu.
    others = [
        f"{name} {there} instead of {pinned[name]}"
        for name, there in found.items()
        if there is not None and there.partition("+")[0] != pinned[name].partition("+")[0]
    ]
    if others:
        yield warn(f"other versions than {file} pins: {named(others)}", setup)
    if not absent and not others:
        yield ok(f"{len(pinned)} packages, all as {file} pins them")
    if _asks_vllm(subject):
        try:
            vllm_install.versions()
        except StudyError:
            yield fail("the study's engines are vllm, and vLLM is not in this environment", "make setup-gpu")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _asks_vllm(subject: Subject) -> bool:
    config = subject.config
    engines = [one.engine or config.generate.engine for one in config.generators.values() if one.model]
    return any(
        one is not None and one.name == "vllm" for one in (*engines, config.evaluate.engine, config.judge.engine.server)
    )
