"""Whether keys and tokens are set. Values are never shown, nor is any text that might be one."""

import re
from collections.abc import Iterator
from os import environ

from prefdelta.commands.checks.check_result import NOT_NEEDED, CheckResult, fail, ok, warn
from prefdelta.commands.checks.hub_files import to_fetch
from prefdelta.commands.checks.subject import Subject


def judge_key(subject: Subject) -> Iterator[CheckResult]:
    hosted = [judge for judge in subject.config.judge.judges().values() if judge.engine.server is None]
    if not hosted:
        yield NOT_NEEDED
    for judge in hosted:
        name = judge.engine.api_key_env
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            yield fail(
                f"{judge.where}.engine.api_key_env is not the name of a variable (it is not shown: it may be the key "
                "itself)",
                "Name the variable there, e.g. OPENAI_API_KEY, and put the key into that; one from a file is spent.",
            )
        elif not environ.get(name, "").strip():
            yield fail(
                f"the environment has no {name}, the judge's key", f"export {name}=... where snakemake is started"
            )
        else:
            yield ok(f"{name} is set")


def hub_token(subject: Subject) -> Iterator[CheckResult]:
    """Check for the hub's token if files are still to be fetched; only gated repositories need one."""
    if not to_fetch(subject.study):
        yield NOT_NEEDED
        return
    from huggingface_hub import get_token

    if get_token():
        yield ok("there is a token of the hub")
    else:
        yield warn(
            "there is no token of the hub: gated models and data sets cannot be fetched",
            "Put one into HF_TOKEN, or: hf auth login. Open models and data sets need none.",
        )
