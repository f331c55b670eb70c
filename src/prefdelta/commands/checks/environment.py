"""The source and the Python that jobs run, and what is installed beside it."""

import platform
import re
import shutil
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from prefdelta.commands.checks.check_result import CheckResult, fail, list_names, ok, warn
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
    summary = f"Python {platform.python_version()}, {here}"
    if not (here / "snakemake").is_file():
        yield fail(f"{summary}: snakemake is not installed there", "make setup, or make setup-gpu on a cluster")
        return
    other = shutil.which("snakemake")
    if other and Path(other).parent.resolve() != here.resolve():
        yield warn(
            f"{summary}; but `snakemake` alone is {other}, of another environment",
            f". {here / 'activate'}, or write {here / 'snakemake'}",
        )
        return
    yield ok(summary)


def packages(subject: Subject) -> Iterator[CheckResult]:
    """Compare the installed versions with the pins; check for vLLM if an engine of the study needs it."""
    file = ENVIRONMENTS / ("gpu.txt" if _installed("vllm") else "cpu.txt")
    setup = "make setup-gpu" if file.name == "gpu.txt" else "make setup"
    pinned = dict(re.findall(r"^([\w.-]+)==(\S+)", file.read_text(encoding="utf-8"), flags=re.MULTILINE))
    installed = {name: _installed(name) for name in pinned}
    if absent := [name for name, there in installed.items() if there is None]:
        yield fail(f"{len(absent)} packages of {file} are not installed: {list_names(absent)}", setup)
    # A build of torch may name its CUDA: 2.13.0+cpu.
    differing = [
        f"{name} {there} instead of {pinned[name]}"
        for name, there in installed.items()
        if there is not None and there.partition("+")[0] != pinned[name].partition("+")[0]
    ]
    if differing:
        yield warn(f"other versions than {file} pins: {list_names(differing)}", setup)
    if not absent and not differing:
        yield ok(f"{len(pinned)} packages, all as {file} pins them")
    if _needs_vllm(subject):
        try:
            vllm_install.versions()
        except StudyError:
            yield fail("an engine of the study is vllm, and vLLM is not in this environment", "make setup-gpu")


def _installed(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _needs_vllm(subject: Subject) -> bool:
    config = subject.config
    generators = [generator for generator in config.generators.values() if generator.model]
    engines = [generator.engine or config.generate.engine for generator in generators]
    servers = [judge.engine.server for judge in config.judge.judges().values()]
    programs = (*engines, config.evaluate.engine, *servers)
    return any(program is not None and program.name == "vllm" for program in programs)
