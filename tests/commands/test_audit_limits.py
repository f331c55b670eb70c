"""The audits that have a limit, on a study whose numbers can be reckoned by hand (`audited`)."""

import csv
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from prefdelta.commands.audit.ties import exchanged
from prefdelta.commands.main import main
from prefdelta.core.pairs.overlap import overlap_between
from prefdelta.models.loading import load_tokenizer
from prefdelta.records.details.filter import TieCounts
from prefdelta.records.trace import Trace
from prefdelta.store import tables
from study.miniature import make_model

from .audited import DELTAS
from .made import ALL, BENCHMARK, CONFIG, RESULTS, SWAPPED

pytestmark = pytest.mark.usefixtures("audited")


@pytest.fixture
def audit(capsys: pytest.CaptureFixture[str]) -> Any:
    """audit(name, *options) -> (exit code, what --json prints)."""

    def run(name: str, *options: str) -> tuple[int, dict[str, Any]]:
        code = main(["audit", name, "--configfile", CONFIG, "--json", *options])
        return code, json.loads(capsys.readouterr().out)

    return run


def edit(**sections: dict[str, Any]) -> None:
    study = yaml.safe_load(Path(CONFIG).read_text())
    for name, values in sections.items():
        study[name] |= values
    Path(CONFIG).write_text(yaml.safe_dump(study, sort_keys=False))


# --- ties ---------------------------------------------------------------------------------------------------------


def test_ties_counts_what_is_drawn_and_what_another_order_would_exchange(audit: Any) -> None:
    code, found = audit("ties")
    (row,) = found["selections"]
    assert (row["k"], row["cut"], row["above"], row["tied"], row["drawn"]) == (4, 2.0, 2, 3, 2)
    assert row["others"] == pytest.approx(2 * (1 - 2 / 3))
    assert (row["orders"], row["differ"]) == ([0], None)
    assert (code, found["over_limit"]) == (0, False)  # half of the pairs, and half is allowed


def test_ties_fails_above_the_share_of_the_config(audit: Any) -> None:
    edit(filter={"max_drawn_share": 0.4})
    code, found = audit("ties")
    assert (code, found["limit"]) == (1, {"filter.max_drawn_share": 0.4})


def test_what_another_order_exchanges_is_what_two_orders_do_not_share() -> None:
    deltas = {f"p{place}": float(delta) for place, delta in enumerate(DELTAS)}
    shared = overlap_between(4, ("one order", deltas), ("another", deltas)).shared
    assert 4 - exchanged(TieCounts(k=4, cut=2.0, above=2, tied=3, drawn=2)) == pytest.approx(shared)


# --- length -------------------------------------------------------------------------------------------------------


def test_length_compares_deltas_selections_and_answers_with_it(audit: Any) -> None:
    _, found = audit("length")
    (pairing,) = found["pairings"]
    assert pairing["difference"]["value"] == pytest.approx(21 / 6)  # 6, 5, 4, 3, 2, 1
    assert (pairing["longer"]["value"], pairing["unit"]) == (1.0, "tokens")
    selections = {row["selection"]: row for row in found["selections"]}
    assert selections["swapped"]["difference"]["value"] == pytest.approx(-21 / 6)
    # The four longest are p0 to p3: the first two are selected, the others with a chance of 2 in 3.
    assert selections["top-mean-4"]["longest"] == pytest.approx((2 + 2 * 2 / 3) / 4)
    assert selections["top-mean-4"]["shortest"] == pytest.approx(3 * 2 / 3 / 4)
    assert selections["all"]["longest"] is None
    arms = {row["family"]: row for row in found["arms"]}
    family = arms[ALL.removesuffix("/s0")]
    assert (family["tokens"], family["base"], family["difference"]["value"], family["items"]) == (12, 10, 2, 3)


def test_length_fails_if_a_delta_goes_with_it_more_than_the_limit(audit: Any) -> None:
    code, found = audit("length")
    assert code == 1
    assert all(row["correlation"]["value"] > 0.9 for row in found["deltas"])
    assert audit("length", "--limit", "1")[0] == 0


# --- truncation ---------------------------------------------------------------------------------------------------


def test_truncation_counts_cut_texts_and_the_pairs_they_cost(audit: Any) -> None:
    code, found = audit("truncation")
    assert {row["generator"]: (row["cut"], row["share"]["value"]) for row in found["generators"]} == {
        "g3": (1, 1 / 8),
        "g1": (1, 1 / 8),
    }
    (pairing,) = found["pairings"]
    assert [pairing[name] for name in ("prompts", "chosen_cut", "rejected_cut", "dropped")] == [8, 1, 1, 2]
    assert (pairing["other_right"]["value"], pairing["kept_right"]["value"]) == (1.0, 0.5)
    assert (pairing["pass_rate_dropped"]["value"], pairing["pass_rate_kept"]["value"]) == (1.0, 0.5)
    (arms,) = found["arms"]
    assert (arms["family"], arms["answers"], arms["base"]) == (SWAPPED.removesuffix("/s0"), 3, 0.0)
    assert arms["share"] == pytest.approx(1 / 3)
    assert code == 1  # a third of the answers; generate.max_failure_share is 0.2
    assert audit("truncation", "--limit", "0.34")[0] == 0


def test_truncation_names_what_was_cut(audit: Any) -> None:
    _, found = audit("truncation", "--list", "5")
    assert {(row["generator"], row["prompt_id"], row["sample"], row["n_tokens"]) for row in found["traces"]} == {
        ("g3", "p7", 0, 80),
        ("g1", "p6", 0, 80),
    }
    (answer,) = found["answers"]
    assert (answer["arm"], answer["benchmark"], answer["prompt_id"]) == (SWAPPED, BENCHMARK, "b0")


# --- contamination ------------------------------------------------------------------------------------------------


def test_contamination_is_of_prompts_that_arms_train_on(audit: Any) -> None:
    code, found = audit("contamination", "--list", "5")
    (benchmark,) = found["benchmarks"]
    assert (benchmark["items"], benchmark["items_by_characters"], benchmark["items_in_traces"]) == (3, 1, None)
    (overlap,) = found["overlaps"]  # b1 is a training prompt too, but its pair was dropped
    assert (overlap["prompt_id"], overlap["item"], overlap["rule"], overlap["arms"]) == (
        "p1",
        f"{BENCHMARK}:b0",
        "characters",
        4,
    )
    assert code == 1
    assert audit("contamination", "--limit", "1")[0] == 0


def test_contamination_looks_for_items_in_traces_if_asked(audit: Any) -> None:
    _, found = audit("contamination", "--traces")
    assert [row["items_in_traces"] for row in found["benchmarks"]] == [0]


# --- template -----------------------------------------------------------------------------------------------------


def local_models(*names: str) -> None:
    study = yaml.safe_load(Path(CONFIG).read_text())
    for name in names:
        make_model(Path("hub", name))
    study["models"] = {name: {"hub": f"./hub/{name}"} for name in study["models"]}
    Path(CONFIG).write_text(yaml.safe_dump(study, sort_keys=False))


def test_template_renders_what_every_stage_asks(audit: Any) -> None:
    local_models("pa")
    code, found = audit("template")
    rows = {(row["model"], row["role"]): row for row in found["templates"]}
    assert set(rows) == {("pa", "generate"), ("pa", "reference"), ("pa", "evaluate"), ("g3", "generate")}
    reference = rows["pa", "reference"]
    assert reference["prompt"] == "<|user|>What is 07 + 25 * 03 - 48?<|eot|><|assistant|>"
    assert (reference["beginnings"], reference["opens_reply"], reference["prefix"]) == (0, True, "yes")
    assert (reference["date"], reference["reasoning"]) == ("none", "no mark")
    assert rows["pa", "evaluate"]["trained_alike"] is True
    assert rows["g3", "generate"]["problem"] == "its files are not on this machine"
    assert code == 0


def test_template_fails_for_a_model_that_cannot_be_trained(audit: Any) -> None:
    local_models("pa", "g3")
    tokenizer = load_tokenizer(Path("hub/pa"))
    tokenizer.chat_template = tokenizer.chat_template.replace("<|eot|>", "<|user|>")
    tokenizer.save_pretrained("hub/pa")
    code, found = audit("template")
    failed = {(row["model"], row["role"]) for row in found["templates"] if row["failed"]}
    assert (code, failed) == (1, {("pa", "reference")})


def test_template_fails_for_marks_of_thinking_that_are_no_tokens(audit: Any) -> None:
    local_models("g3")
    marks = {"opening": "<|im_start|>think\n", "closing": "<|im_start|>answer\n"}
    edit(models={"g3": {"hub": "./hub/g3", "thinking": marks}})
    code, found = audit("template")
    (row,) = (row for row in found["templates"] if row["model"] == "g3")
    assert "'<|im_start|>think\\n'" in row["problem"]
    assert (code, row["failed"]) == (1, True)


def test_a_trace_that_a_policy_cannot_spell_is_no_failure_of_its_template(audit: Any) -> None:
    local_models("pa")
    path = RESULTS / "generate/g3.parquet"
    traces = tables.read(path, Trace)
    tables.write(path, Trace, [replace(trace, text="so <|eot|> ends it. A:1") for trace in traces])
    code, found = audit("template")
    rows = {row["role"]: row for row in found["templates"] if row["model"] == "pa"}
    assert "'<|eot|>'" in rows["reference"]["problem"]
    assert (code, rows["reference"]["failed"]) == (0, False)


# --- ways of output -----------------------------------------------------------------------------------------------


def test_an_audit_prints_tables_and_what_to_conclude(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", "ties", "--configfile", CONFIG]) == 0
    out = capsys.readouterr().out
    assert "g3~g1    top-mean-4  4  2.000      2     3      2     50.0     0.7     0       —" in out
    assert "It does not follow" in out.splitlines()[-2] + out.splitlines()[-1]


def test_one_table_can_be_had_as_csv(capsys: pytest.CaptureFixture[str]) -> None:
    main(["audit", "length", "--configfile", CONFIG, "--csv", "--table", "deltas"])
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["dimension"] for row in rows] == ["computational_precision", "signal_to_noise", "mean"]
    assert float(rows[0]["correlation.value"]) > 0.9
