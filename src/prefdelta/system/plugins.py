"""The names that a config may use, and the code behind each. The only dynamic import outside the commands."""

from importlib import import_module
from typing import Any

from prefdelta.core.errors import StudyError

# kind.name -> module:object. The module enters the digest of the jobs whose settings name it.
_PLUGINS = {
    "engines.transformers": "prefdelta.engines.transformers:TransformersEngine",
    "engines.openai": "prefdelta.engines.openai.engine:OpenAIEngine",
    "engines.vllm": "prefdelta.engines.vllm:VLLMEngine",
    "engines.dataset": "prefdelta.engines.dataset:DatasetEngine",
    "graders.marker": "prefdelta.graders.marker:grade",
    "graders.maths": "prefdelta.graders.maths:grade",
    "graders.math_verify": "prefdelta.graders.math_verify:grade",
    "graders.text": "prefdelta.graders.text:grade",
    "graders.theoremqa": "prefdelta.graders.theoremqa:grade",
    "graders.choice": "prefdelta.graders.choice:grade",
    "graders.choice.upstream": "prefdelta.graders.choice:upstream",
    "graders.code": "prefdelta.graders.code:grade",
    "servers.rules": "prefdelta.servers.rules:command",
    "servers.vllm": "prefdelta.servers.vllm:command",
    "servers.vllm.environment": "prefdelta.servers.vllm:environment",
    "servers.vllm.identity": "prefdelta.servers.vllm:identity",
    "training.dpo": "prefdelta.training.methods.dpo:METHOD",
    "training.kto": "prefdelta.training.methods.kto:METHOD",
    "training.sft": "prefdelta.training.methods.sft:METHOD",
}


def names(kind: str) -> list[str]:
    """The names of one kind, for example `dpo` for `training.dpo`."""
    return [name.removeprefix(f"{kind}.") for name in _PLUGINS if name.startswith(f"{kind}.")]


def module_of(plugin: str) -> str:
    """The module behind a name such as `engines.openai`. Raises StudyError for an unknown one."""
    return _target(plugin).partition(":")[0]


def load(plugin: str) -> Any:
    """The object behind a name such as `engines.openai`. Raises StudyError for an unknown one."""
    module, _, name = _target(plugin).partition(":")
    return getattr(import_module(module), name)


def _target(plugin: str) -> str:
    if plugin not in _PLUGINS:
        raise StudyError(f"{plugin!r} is not known; known: {', '.join(sorted(_PLUGINS))}.")
    return _PLUGINS[plugin]
