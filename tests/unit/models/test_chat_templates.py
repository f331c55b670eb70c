import copy
import importlib.util
import json
from datetime import datetime
from pathlib import Path

import pytest
from transformers.utils import chat_template_utils

from prefdelta.core.asking.template_settings import PLAIN, TemplateSettings
from prefdelta.core.errors import StudyError
from prefdelta.models.chat_templates import dated, in_key, render, render_all, template_in, token_ids, token_ids_of_all
from prefdelta.training.tokenizer import CHAT_TEMPLATE, character_tokenizer

ASKED = [("user", "1+1?")]
MOMENT = datetime(2026, 3, 5)


@pytest.fixture(scope="module")
def tokenizer():
    return character_tokenizer()


def rendered(tokenizer, template, rendering=PLAIN, **more):
    changed = copy.deepcopy(tokenizer)
    changed.chat_template = template
    return render(changed, ASKED, rendering, **more)


def on(date, **kwargs):
    return TemplateSettings(date=date, chat_template_kwargs=kwargs)


def set_clock(monkeypatch, moment):
    """Of transformers, for templates."""

    class Clock:
        now = staticmethod(lambda: moment)

    monkeypatch.setattr(chat_template_utils, "datetime", Clock)


# Ways in which templates take the date, in our own words; each then says: 5 March 2026.
DATED = [
    "{{ strftime_now('%-d %B %Y') }}",
    "{%- if strftime_now is defined %}\n  {%- set today = strftime_now(format='%-d %B %Y') %}\n{%- endif %}{{ today }}",
    "{%- macro day() -%}\n    {{- strftime_now('%-d %B %Y') -}}\n{%- endmacro -%}\n{{ day() }}",
    "{% for m in messages %}{{ strftime_now('%-d %B') }}{% endfor %} {{ strftime_now('%Y') | int }}",
    "{% set ns = namespace(day='') %}{% set ns.day = strftime_now('%-d %B %Y') %}{{ ns.day }}",
    "{{ strftime_now('%Y-%m-%d').split('-')[2] | int }} {{ strftime_now('%B') }} {{ strftime_now('%G') }}",
    "{% set day = date_string or strftime_now('%d %b %Y') %}{{ day[1:6] }}ch {{ day[7:] }}",
]


@pytest.mark.parametrize("template", DATED)
def test_a_template_that_writes_the_date_writes_the_studys(template, tokenizer):
    assert rendered(tokenizer, template, on("2026-03-05")) == "5 March 2026"


@pytest.mark.parametrize(
    "directives",
    [
        "%Y-%m-%d",
        "%a %A %w %u %b %B %h %y %C %G %g %V %U %W %j %D %F %x %e %-d %-m %-j %-y",
        "%%Y 100%% %%%Y",
        "%d%m",
        "",
    ],
)
def test_the_studys_date_is_written_as_the_clock_would_write_it(directives, tokenizer, monkeypatch):
    set_clock(monkeypatch, MOMENT)
    template = f"{{{{ strftime_now('{directives}') }}}}"
    changed = copy.deepcopy(tokenizer)
    changed.chat_template = template
    by_the_clock = changed.apply_chat_template([{"role": "user", "content": ""}], tokenize=False)
    assert rendered(tokenizer, template, on("2026-03-05")) == by_the_clock == MOMENT.strftime(directives)


# Templates of models as the package TRL carries them.
CARRIED = Path(importlib.util.find_spec("trl").origin).with_name("chat_templates")


@pytest.mark.parametrize("name", ["gptoss", "llama3_2", "qwen3", "qwen3_5_nothink", "deepseek_r1_distill", "phi3_5"])
@pytest.mark.parametrize("messages", [ASKED, [("system", "Be brief."), *ASKED], [*ASKED, ("assistant", "2."), *ASKED]])
def test_templates_of_models_are_rendered_as_they_would_be_on_that_day(name, messages, tokenizer, monkeypatch):
    set_clock(monkeypatch, MOMENT)
    changed = copy.deepcopy(tokenizer)
    changed.chat_template = (CARRIED / f"{name}.jinja").read_text(encoding="utf-8")
    chat = [{"role": role, "content": content} for role, content in messages]
    by_the_clock = changed.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    set_clock(monkeypatch, datetime(1999, 12, 31))
    assert render(changed, messages, on("2026-03-05")) == by_the_clock


def test_many_chats_are_rendered_and_tokenised_as_each_by_itself(tokenizer):
    chats = [(("user", f"{number}+1?"),) for number in (1, 20, 3)] + [
        (("user", "a"), ("assistant", "b"), ("user", "c"))
    ]
    texts = render_all(tokenizer, chats, PLAIN)
    assert texts == [render(tokenizer, chat, PLAIN) for chat in chats]
    assert token_ids_of_all(tokenizer, texts) == [token_ids(tokenizer, text) for text in texts]


@pytest.mark.parametrize(
    "body",
    [
        "  {% if true %}a{% endif %}",
        "\n\n  b",
        "{%- if true %}\nc\n{% endif %}\n",
        "{{- 'd' }}",
        "{# e #}\n  f",
        "<s>\n",
    ],
)
def test_the_date_changes_nothing_else_of_a_template(body, tokenizer):
    template = f"{body}{{{{ strftime_now('%Y') }}}}"
    assert rendered(tokenizer, template) == rendered(tokenizer, f"{body}2026")


def test_a_template_that_reads_no_clock_is_left_as_it_is():
    assert dated(CHAT_TEMPLATE, "2026-03-05") == CHAT_TEMPLATE


def test_a_setting_reaches_the_template_and_one_that_it_does_not_use_is_refused(tokenizer):
    template = "{% if enable_thinking %}<think>{% endif %}{{ budget }}"
    assert rendered(tokenizer, template, on("2026-03-05", enable_thinking=True, budget=3)) == "<think>3"
    with pytest.raises(StudyError, match=r"sets enable_thinkin .*does not use it"):
        rendered(tokenizer, template, on("2026-03-05", enable_thinkin=True))


def test_an_effort_of_the_sampling_goes_before_one_of_the_model(tokenizer):
    template, model = "{{ reasoning_effort }}", on("2026-03-05", reasoning_effort="low")
    assert rendered(tokenizer, template, model) == "low"
    assert rendered(tokenizer, template, model, reasoning_effort="high") == "high"


def test_messages_that_a_template_refuses_are_told_with_its_own_words(tokenizer):
    with pytest.raises(StudyError, match="refuses messages of the roles system, user: only the roles user"):
        render(tokenizer, [("system", "Be brief."), *ASKED], PLAIN)


# --- the key ---


@pytest.mark.parametrize("date_seen", ["{{ strftime_now('%Y') }}", "{{ date_string }}"])
def test_the_date_is_in_the_key_of_a_template_that_can_see_it_and_of_no_other(date_seen, tmp_path):
    (tmp_path / "chat_template.jinja").write_text(CHAT_TEMPLATE)
    assert in_key(tmp_path, on("2026-03-05")) == in_key(tmp_path, on("2026-03-06")) == {}
    (tmp_path / "chat_template.jinja").write_text(date_seen)
    assert in_key(tmp_path, on("2026-03-05")) != in_key(tmp_path, on("2026-03-06"))


def test_settings_of_a_template_are_in_the_key(tmp_path):
    keys = [in_key(tmp_path, on("2026-03-05", **given)) for given in ({}, {"a": True}, {"a": False}, {"a": 1.5})]
    assert len({json.dumps(key) for key in keys}) == 4


def test_a_template_is_found_where_transformers_finds_it(tmp_path, tokenizer):
    assert template_in(tmp_path) is None
    tokenizer.save_pretrained(tmp_path)
    assert template_in(tmp_path) == CHAT_TEMPLATE
    (tmp_path / "chat_template.jinja").unlink()
    told = json.loads((tmp_path / "tokenizer_config.json").read_text())
    for form in (
        CHAT_TEMPLATE,
        [{"name": "tool_use", "template": "x"}, {"name": "default", "template": CHAT_TEMPLATE}],
    ):
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(told | {"chat_template": form}))
        assert template_in(tmp_path) == CHAT_TEMPLATE
