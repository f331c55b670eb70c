"""Kinds of chat templates: what a policy is asked and taught, and what a generator's traces look like.

Templates are in our own words; each does one thing that templates of well-known models do.
"""

import json
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from prefdelta.core.asking.engine_options import ThinkingMarks, TransformersOptions
from prefdelta.core.asking.requests import Request, Sampling
from prefdelta.core.asking.template_settings import TemplateSettings
from prefdelta.core.data.items import read_items
from prefdelta.core.data.sources import DataSource, Fields, TraceFields
from prefdelta.core.errors import StudyError
from prefdelta.core.hub import HubModel
from prefdelta.core.recipes import Budget
from prefdelta.engines import vllm
from prefdelta.engines.transformers import TransformersEngine
from prefdelta.models.loading import load_tokenizer
from prefdelta.records.prompt import Prompt
from prefdelta.records.reference import ReferenceLogps
from prefdelta.records.trace import Trace
from prefdelta.stages import generate, reference, train
from prefdelta.store import tables
from prefdelta.training.methods.dpo import DPORecipe
from prefdelta.training.tokens import Tokeniser
from study.miniature import make_model

from .conftest import Made
from .running import PROBLEM_TEMPLATE, run, trace_of

THOUGHT, PLAIN_TEXT = "<think>\nOne and one.\n</think>\n\nTwo.", "Two."
_TURNS = "{%% for m in messages %%}<|{{ m.role }}|>%s{%% if m.role == 'assistant' %%}<|eot|>{%% endif %%}{%% endfor %%}"
_START = "{% if add_generation_prompt %}<|assistant|>{% endif %}"
TURNS = _TURNS % "{{ m.content }}"
OPENED = "<|user|>{}<|assistant|><think>\n"
CLOSED = "{% if add_generation_prompt %}<think>\n{% if not enable_thinking %}\n</think>\n\n{% endif %}{% endif %}"
MARKS = ThinkingMarks(opening="<|im_start|>think", closing="<|im_start|>answer")
ON = {"enable_thinking": True}

# name -> template, its settings, what a problem becomes, what is learnt of THOUGHT, and of PLAIN_TEXT
KINDS: dict[str, tuple[str, dict[str, Any], str, str, str]] = {
    "says nothing of reasoning": (TURNS + _START, {}, "<|user|>{}<|assistant|>", THOUGHT, PLAIN_TEXT),
    "writes the date": (
        "<|system|>It is {{ strftime_now('%d %B %Y') }}." + TURNS + _START,
        {},
        "<|system|>It is 05 March 2026.<|user|>{}<|assistant|>",
        THOUGHT,
        PLAIN_TEXT,
    ),
    "writes a date that it is given": (
        "<|system|>It is {{ date_string | default('1 Jan 1999') }}." + TURNS + _START,
        {},
        "<|system|>It is 05 Mar 2026.<|user|>{}<|assistant|>",
        THOUGHT,
        PLAIN_TEXT,
    ),
    "adds a text of its own": (
        "{% if messages[0].role != 'system' %}<|system|>You are a model that helps.{% endif %}" + TURNS + _START,
        {},
        "<|system|>You are a model that helps.<|user|>{}<|assistant|>",
        THOUGHT,
        PLAIN_TEXT,
    ),
    "drops the reasoning of replies": (
        _TURNS % "{{ m.content.split('</think>')[-1] }}" + _START,
        {},
        "<|user|>{}<|assistant|>",
        THOUGHT,
        PLAIN_TEXT,
    ),
    "opens the reasoning in the prompt": (
        TURNS + _START + "{% if add_generation_prompt %}<think>{{ '\\n' }}{% endif %}",
        {},
        OPENED,
        THOUGHT.removeprefix("<think>\n"),
        "\n</think>\n\nTwo.",
    ),
    "opens it without a line break": (
        TURNS + _START + "{% if add_generation_prompt %}<think>{% endif %}",
        {},
        "<|user|>{}<|assistant|><think>",
        THOUGHT.removeprefix("<think>"),
        "\n\n</think>\n\nTwo.",
    ),
    "opens it before every reply": (
        _TURNS % "{% if m.role == 'assistant' %}<think>\n{% endif %}{{ m.content }}"
        + _START
        + "{% if add_generation_prompt %}<think>{{ '\\n' }}{% endif %}",
        {},
        OPENED,
        THOUGHT.removeprefix("<think>\n"),
        "\n</think>\n\nTwo.",
    ),
    "has its reasoning switched on": (
        TURNS + _START + CLOSED,
        ON,
        OPENED,
        THOUGHT.removeprefix("<think>\n"),
        "\n</think>\n\nTwo.",
    ),
}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of random weights, so large that a word more or less in its prompt moves what it expects."""
    import torch
    from transformers import AutoModelForCausalLM

    folder = tmp_path_factory.mktemp("bare") / "model"
    make_model(folder)
    model: Any = AutoModelForCausalLM.from_pretrained(folder)
    with torch.no_grad():
        for weight in model.parameters():
            weight.mul_(20.0 if weight.ndim > 1 else 1.0)
    model.save_pretrained(folder)
    return folder


@pytest.fixture
def model_of(bare: Path, tmp_path: Path) -> Callable[[str], Path]:
    """The folder of a model of random weights with a chat template."""

    def make(template: str) -> Path:
        folder = tmp_path / "model"
        folder.mkdir()
        for path in bare.iterdir():
            (folder / path.name).hardlink_to(path)
        (folder / "chat_template.jinja").unlink()
        (folder / "chat_template.jinja").write_text(template)
        return folder

    return make


def rendering_of(settings: dict[str, Any], day: str = "2026-03-05") -> TemplateSettings:
    return TemplateSettings(date=day, chat_template_kwargs=settings)


def run_reference(
    folder: Path, prompts: Path, traces: Path, work: Path, rendering: TemplateSettings, generator: str = "strong"
) -> tuple[list[ReferenceLogps], int]:
    """The rows, and how many were computed now."""
    settings = reference.ReferenceSettings(
        generator=generator,
        max_length=256,
        batch_tokens=2000,
        dtype="float32",
        threads=1,
        hub=HubModel(name=str(folder)),
        rendering=rendering,
    )
    inputs: dict[str, Any] = {"prompts": prompts, "traces": traces, "template": PROBLEM_TEMPLATE, "weights": []}
    path = work / f"reference/{generator}.parquet"
    made = run(reference, settings, inputs, {"reference": path}, work / "record")
    return tables.read(path, ReferenceLogps), made.computed["traces"]


@pytest.fixture
def two_traces(problems: list[Prompt], tmp_path: Path) -> Path:
    """Of the first problem with reasoning, of the second without."""
    path = tmp_path / "two.parquet"
    texts = zip(problems, (THOUGHT, PLAIN_TEXT), strict=False)
    tables.write(path, Trace, [trace_of(problem.prompt_id, "strong", text) for problem, text in texts])
    return path


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What the stage of reference scores, as (prompt, completion), while it runs."""
    found: list[tuple[str, str]] = []

    def noted(model: Any, tokens: list[Any], *_: Any) -> Iterator[tuple[int, float]]:
        tokenizer = load_tokenizer(Path(model.config._name_or_path))
        for at, row in enumerate(tokens):
            found.append((tokenizer.decode(row.prompt), tokenizer.decode(row.completion)))
            yield at, -1.0

    monkeypatch.setattr(reference, "completion_logps", noted)
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_reference_training_and_both_engines_see_what_the_policy_would_see_and_write(
    kind: str,
    model_of: Callable[[str], Path],
    train_prompts: Made,
    problems: list[Prompt],
    two_traces: Path,
    seen: list[tuple[str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    template, settings, prompt, *learnt = KINDS[kind]
    folder, rendering = model_of(template), rendering_of(settings)
    run_reference(folder, train_prompts.path, two_traces, tmp_path, rendering)
    shown = [prompt.format(problem.text) for problem in problems[:2]]
    assert seen == [(text, f"{said}<|eot|>") for text, said in zip(shown, learnt, strict=True)]

    tokenizer = load_tokenizer(folder)
    pair = train.PairTexts((("user", problems[0].text),), THOUGHT, PLAIN_TEXT, None, None)
    row = pair.tokenised(Tokeniser(tokenizer, rendering))
    assert [tokenizer.decode(ids) for ids in (row.prompt, row.chosen, row.rejected)] == [
        shown[0],
        *(f"{said}<|eot|>" for said in learnt),
    ]

    request = Request((("user", problems[0].text),), Sampling(temperature=1.0, max_tokens=4), seed=0)
    assert vllm.prompt_of(tokenizer, request, rendering) == shown[0]
    asked = []
    compute = TransformersEngine._reply

    def noted(self: TransformersEngine, model: Any, tokenizer: Any, stops: Any, batch: Any) -> Any:
        asked.extend(tokenizer.decode(row.ids) for row in batch)
        return compute(self, model, tokenizer, stops, batch)

    monkeypatch.setattr(TransformersEngine, "_reply", noted)
    engine = TransformersEngine(folder, "w", TransformersOptions(name="transformers"), rendering)
    list(engine.run([("key", request)], {"key"}))
    assert asked == [shown[0]]


def test_reasoning_that_the_prompt_switches_off_is_not_trained(
    model_of: Callable[[str], Path], train_prompts: Made, two_traces: Path, tmp_path: Path
) -> None:
    folder = model_of(TURNS + _START + CLOSED)
    with pytest.raises(StudyError, match=r"models\.<model>\.chat_template_kwargs.*enable_thinking: true"):
        run_reference(folder, train_prompts.path, two_traces, tmp_path, rendering_of({}))
    rows, _ = run_reference(folder, train_prompts.path, two_traces, tmp_path, rendering_of(ON))
    assert [row.failure for row in rows] == [None, None]


# --- the date ---


@pytest.fixture
def on_day(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Sets transformers' clock to a day of March 2026."""
    from transformers.utils import chat_template_utils

    def set_clock(day: int) -> None:
        class Clock:
            now = staticmethod(lambda: datetime(2026, 3, day))

        monkeypatch.setattr(chat_template_utils, "datetime", Clock)

    return set_clock


DPO = DPORecipe(method="dpo", learning_rate=1e-4, beta=0.1, batch_size=4, budget=Budget(updates=1))


def test_a_policy_whose_template_writes_the_date_is_trained_days_after_its_reference_was_made(
    model_of: Callable[[str], Path],
    on_day: Callable[[int], None],
    train_prompts: Made,
    traces: dict[str, Path],
    pairs: Made,
    select: Callable[..., Made],
    tmp_path: Path,
) -> None:
    folder = model_of("<|system|>Today is {{ strftime_now('%A, %d %B %Y') }}." + TURNS + _START)
    rendering = rendering_of({}, "2026-02-10")
    on_day(1)
    for name in ("strong", "weak"):
        run_reference(folder, train_prompts.path, traces[name], tmp_path, rendering, name)
    on_day(28)
    assert run_reference(folder, train_prompts.path, traces["weak"], tmp_path, rendering, "weak")[1] == 0
    name = "model/strong~weak/random-5-s0/dpo/s0"
    settings = train.TrainSettings(
        arms={name: "strong~weak/ties-0/random-5-s0/t0"},
        recipe=DPO,
        max_length=256,
        max_too_long_share=0.0,
        hub=HubModel(name=str(folder)),
        rendering=rendering,
    )
    inputs: dict[str, Any] = {
        "prompts": train_prompts.path,
        "pairs": pairs.path,
        "selected": [select("random-5-s0").path],
        "traces": [traces["strong"], traces["weak"]],
        "reference": [tmp_path / f"reference/{generator}.parquet" for generator in ("strong", "weak")],
        "template": PROBLEM_TEMPLATE,
        "weights": [],
    }
    made = run(train, settings, inputs, {"policies": tmp_path / "train" / name / "policy.json"}, tmp_path / "record")
    assert made.computed["updates"] == 1


def test_another_date_is_another_prompt_and_counts_only_for_templates_that_see_it(
    model_of: Callable[[str], Path], train_prompts: Made, two_traces: Path, tmp_path: Path
) -> None:
    folder = model_of(TURNS + _START)
    for day, computed in (("2026-03-05", 2), ("2026-03-06", 0)):
        assert run_reference(folder, train_prompts.path, two_traces, tmp_path, rendering_of({}, day))[1] == computed
    (folder / "chat_template.jinja").write_text("{{ strftime_now('%Y-%m-%d') }}" + TURNS + _START)
    for day in ("2026-03-05", "2026-03-06"):
        assert run_reference(folder, train_prompts.path, two_traces, tmp_path, rendering_of({}, day))[1] == 2


# --- traces ---


@pytest.mark.parametrize("kind", ["opens the reasoning in the prompt", "opens it without a line break"])
def test_traces_of_a_generator_whose_prompt_opens_the_reasoning_hold_the_opening(
    kind: str, model_of: Callable[[str], Path], train_prompts: Made, tmp_path: Path
) -> None:
    settings = generate.GenerateSettings(
        generator="opened",
        engine=TransformersOptions(name="transformers"),
        hub=HubModel(name=str(model_of(KINDS[kind][0]))),
        sampling=Sampling(temperature=1.0, max_tokens=6),
        samples=1,
        seed=5,
        max_failure_share=1.0,
    )
    inputs: dict[str, Any] = {"prompts": train_prompts.path, "template": PROBLEM_TEMPLATE, "weights": []}
    run(generate, settings, inputs, {"traces": tmp_path / "t.parquet"}, tmp_path / "record")
    rows = tables.read(tmp_path / "t.parquet", Trace)
    assert rows
    assert all(str(row.text).startswith("<think>\n") for row in rows)


@pytest.mark.parametrize(
    ("marks", "said"),
    [
        (None, THOUGHT),
        (None, "<think>One and one.</think>Two."),
        (None, "One and one.\n</think>\n\nTwo."),  # opened by a prompt, which is none of the text
        (MARKS, "<|im_start|>think\nOne and one.\n<|im_start|>answer\nTwo."),
    ],
)
def test_traces_have_one_form_whoever_wrote_them(
    marks: ThinkingMarks | None, said: str, train_prompts: Made, problems: list[Prompt], tmp_path: Path
) -> None:
    rows = [{"question": problem.text, "answer": "2", "said": [said]} for problem in problems]
    (tmp_path / "data").mkdir()
    (tmp_path / "data/train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    fields = Fields(problem="question", answer="answer")
    source = DataSource(dataset=str(tmp_path / "data"), split="train", fields=fields, grader="marker")
    settings = generate.GenerateSettings(
        generator="shipped",
        engine=None,
        shipped=generate.Shipped(source=source, traces=TraceFields(generations="said")),
        thinking=marks,
        sampling=Sampling(temperature=1.0, max_tokens=6),
        samples=1,
        seed=5,
        max_failure_share=0.0,
    )
    prompts = [prompt for _, prompt in read_items(rows, source, "train") if isinstance(prompt, Prompt)]
    tables.write(tmp_path / "p.parquet", Prompt, prompts)
    inputs: dict[str, Any] = {"prompts": tmp_path / "p.parquet", "template": PROBLEM_TEMPLATE, "weights": []}
    run(generate, settings, inputs, {"traces": tmp_path / "t.parquet"}, tmp_path / "record")
    assert {row.text for row in tables.read(tmp_path / "t.parquet", Trace)} == {THOUGHT}
