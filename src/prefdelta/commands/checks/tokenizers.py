"""Chat templates and special tokens of the models whose files are here. Only tokenizers are loaded."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prefdelta.commands.checks.check_result import NOT_NEEDED, CheckResult, fail, list_names, ok, warn
from prefdelta.commands.checks.hub_files import model_folder
from prefdelta.commands.checks.subject import Subject
from prefdelta.commands.checks.templates import describe_template
from prefdelta.core.asking.engine_options import ThinkingMarks
from prefdelta.core.asking.prompt_template import ask_problem
from prefdelta.core.asking.stored_reasoning import closed_by
from prefdelta.core.errors import StudyError
from prefdelta.models.chat_templates import render
from prefdelta.models.loading import load_tokenizer
from prefdelta.training.tokens import tokenise

SECONDS = 8.0  # of CPU time, after which no tokenizer is loaded any more; half of it is the import of transformers
_PROBLEM, _ANSWER = "What is 1 + 1?", "The answer is $\\boxed{2}$."
_REPLY = f"<think>\nIt is 2.\n</think>\n\n{_ANSWER}"
_SPECIAL = re.compile(r"<\|[^|>]*\|>")  # how special tokens are written in most vocabularies


def tokenizers(subject: Subject) -> Iterator[CheckResult]:
    models = {name: model.hub for name, model in subject.config.models.items() if model.hub}
    if not models:
        yield NOT_NEEDED
        return
    folders = {name: folder for name, hub in models.items() if (folder := model_folder(hub)) and _has_tokenizer(folder)}
    started, results, skipped = time.process_time(), list[CheckResult](), list[str]()
    # Policies first: they are trained on the template's output.
    for name in sorted(folders, key=lambda name: name not in subject.config.policies):
        if time.process_time() - started > SECONDS:
            skipped.append(name)
            continue
        try:
            results.append(_check_tokenizer(subject, name, folders[name]))
        except StudyError as error:
            yield fail(f"{name}: {error}")
        except Exception as error:  # a library's error about malformed files
            yield fail(
                f"{name}: its tokenizer in {folders[name]} cannot be used: {type(error).__name__}: {error}",
                "Fetch it again, or name another model.",
            )
    yield from results
    if skipped:
        yield warn(
            f"not looked at, for lack of time: {list_names(skipped)}", "prefdelta doctor once more: it is faster then."
        )
    if absent := [name for name in models if name not in folders]:
        yield warn(
            f"not looked at, because their files are not here: {list_names(absent)}",
            "prefdelta pin --fetch, then again.",
        )


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / file).is_file() for file in ("tokenizer.json", "tokenizer.model", "tokenizer_config.json"))


def _check_tokenizer(subject: Subject, name: str, folder: Path) -> CheckResult:
    """The finding on a model's tokenizer and template. Raises StudyError if the study cannot use them."""
    tokenizer = load_tokenizer(folder)
    if not tokenizer.chat_template:
        raise StudyError(f"the tokenizer in {folder} has no chat template, without which it cannot be asked.")
    config, model = subject.config, subject.config.models[name]
    rendering = subject.study.rendering(name)
    is_policy = name in config.policies
    path = config.reference.template if is_policy else config.generate.template
    messages = ask_problem(Path(path).read_text(encoding="utf-8"), _PROBLEM, path, model.system)
    for effort in _efforts(subject, name):
        render(tokenizer, messages, rendering, effort)  # raises if the template has no setting for it
    remarks = describe_template(tokenizer, messages, rendering)
    if model.thinking:
        check_marks(tokenizer, model.thinking)
        remarks.append("its marks of thinking are tokens" + (", but it is taught <think>" if is_policy else ""))
    if not is_policy:
        return ok(f"{name}: {'; '.join(remarks)}")
    if tokenizer.pad_token_id in (None, tokenizer.eos_token_id):
        remarks.append("pads with end-of-sequence, which training masks by place")
    message = f"{name}: {'; '.join(remarks)}"
    if closed_by(render(tokenizer, messages, rendering)):
        tokenise(tokenizer, messages, _ANSWER, rendering)
        return warn(
            f"{message}. So traces that reason are refused in training",
            f"If its template can reason, switch it on: models.{name}.chat_template_kwargs, as its card says, for "
            "example {enable_thinking: true}.",
        )
    tokenise(tokenizer, messages, _REPLY, rendering)  # raises if training could not use the template
    return ok(message)


def _efforts(subject: Subject, name: str) -> set[str]:
    """The reasoning efforts that the config asks of a model: for traces, as the judge, and as a policy."""
    config = subject.config
    asked = [one.sampling or config.generate.sampling for one in config.generators.values() if one.model == name]
    asked += [judge.sampling for judge in config.judge.judges().values() if judge.model == name]
    if name in config.policies:
        asked += [group.sampling for group in config.evaluate.groups.values()]
    return {sampling.reasoning_effort for sampling in asked if sampling.reasoning_effort is not None}


def check_marks(tokenizer: Any, marks: ThinkingMarks) -> None:
    """Raise StudyError unless replies can hold the marks as the config has them."""
    for mark in (marks.opening, marks.closing):
        ids = tokenizer(mark, add_special_tokens=False)["input_ids"]
        decoded = tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        broken = [
            word for word in _SPECIAL.findall(mark) if len(tokenizer(word, add_special_tokens=False)["input_ids"]) > 1
        ]
        if decoded != mark or broken:
            unlike = f"its tokens give back {decoded!r}"
            problem = unlike if decoded != mark else f"{broken[0]} is not a token of its vocabulary"
            raise StudyError(
                f"it cannot have marked its reasoning by {mark!r}: {problem}. Correct models.<model>.thinking; its "
                "card says how it marks."
            )
