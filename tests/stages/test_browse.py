import subprocess
import sys
from pathlib import Path

import pytest

from prefdelta.records.details.browse import BrowseDetails

from .browsed import ARMS, FORMS, GENERATORS, HOSTILE, ITEMS, MAIN, PROMPTS, HandMade, read_script

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> HandMade:
    study = HandMade(tmp_path_factory.mktemp("browsed"))
    outcome = study.browse()
    assert (outcome.rows, outcome.failures) == (6, {})
    assert isinstance(outcome.details, BrowseDetails)
    # The reply to p1's second sample, by each of two generators; the one answer that is shown, by an arm.
    assert (outcome.details.replies_not_recorded, outcome.details.answers_not_recorded) == (2, 1)
    return study


def names(study: HandMade) -> list[str]:
    data = study.results / "browse/data"
    return sorted(path.relative_to(data).with_suffix("").as_posix() for path in data.rglob("*.js"))


def test_every_file_parses_and_no_text_can_end_its_script(study: HandMade) -> None:
    pages = [f"traces/{generator}/{page}" for generator in range(4) for page in range(3)]
    assert names(study) == sorted(
        [*("study", "pairs/0", "pairs/1", "items/0", "answers/0/0", "answers/0/1"), *pages]
        + [f"prompts/{page}" for page in range(3)]
    )
    assert all(study.read(name) for name in names(study))
    assert HOSTILE in study.read("traces/0/0")[0][0]["text"]


def test_the_application_is_copied_with_its_folders(study: HandMade) -> None:
    folder = study.results / "browse"
    assert (folder / "index.html").read_text() == "<p>The page.</p>"
    assert (folder / "app/browser.js").read_text() == "run();"
    assert (folder / "app/vendor/fonts/x.woff2").read_text() == "a font"
    assert sorted(path.name for path in folder.iterdir()) == ["app", "data", "index.html"]


def test_prompts_come_in_pages_in_the_order_of_their_ids(study: HandMade) -> None:
    pages = [study.read(f"prompts/{page}") for page in range(3)]
    assert [[prompt["id"] for prompt in page] for page in pages] == [["p1", "p2"], ["p3", "p4"], ["p5"]]
    assert pages[0][0] == {"id": "p1", "text": f"p1? {HOSTILE}", "answers": ["1"]}


def test_the_study_says_what_there_is_and_where_it_comes_from(study: HandMade) -> None:
    said = study.read("study")
    assert (said["study"], said["title"], said["page"], said["prompts"]) == ("hand", "By hand", 2, 5)
    assert said["prompt_ids"] == PROMPTS
    assert (said["dimensions"], said["judged"]) == (["a", "b", "c", "mean"], {"mean": ["a", "b", "c"]})
    assert said["rubrics"]["b"] == "What b is."
    assert said["judges"] == [
        {"form": "brevity", "dimensions": FORMS["brevity"], "model": "judge-1", "where": "vllm", "revision": "b" * 40},
        {
            "form": "logic",
            "dimensions": FORMS["logic"],
            "model": "judge-1",
            "where": "https://judge.example/v1",
            "revision": None,
        },
    ]
    generators = {line["name"]: line for line in said["generators"]}
    assert list(generators) == GENERATORS
    assert generators["strong"] == {
        "name": "strong",
        "model": "somebody/strong",
        "revision": "a" * 40,
        "template": "{problem}",
        "sampling": {"temperature": 1.0},
        "system": "Be brief.",
        "draw": 0,
        "source": "0123456789ab",
    }
    drawn = generators["weak@1"]
    assert (drawn["model"], drawn["revision"], drawn["draw"]) == ("small", "w" * 64, 1)
    assert said["pairings"][0] == {
        "name": str(MAIN),
        "pairs": 3,
        "chosen": 0,
        "rejected": 2,
        "selections": ["all/t0", "top-mean-1/t0"],
    }
    assert said["policies"] == ["pa/base", *map(str, ARMS)]
    assert [(arm["pairing"], arm["selection"], arm["seed"]) for arm in said["arms"]] == [
        (1, 0, 1),
        (0, 0, 0),
        (0, 1, 0),
    ]
    assert said["arms"][2]["weights"] == "3" * 64
    (exam,) = said["benchmarks"]
    assert (exam["name"], exam["title"], exam["items"], exam["samples"]) == ("exam", "An exam", 3, 2)


def test_pairs_are_columns_with_their_deltas_scores_and_ranks(study: HandMade) -> None:
    pairs = study.read("pairs/0")
    assert pairs["pair_id"] == ["strong-p1", "strong-p2", "strong-p3"]
    assert pairs["prompt"] == [0, 1, 2]
    assert (pairs["chosen_sample"], pairs["rejected_sample"]) == ([0, 0, None], [1, 0, None])
    assert (pairs["pool"], pairs["eligible"]) == ([1, 1, 1], [1, 1, 0])
    assert pairs["reason"] == [None, None, "chosen_truncated"]
    assert (pairs["chosen_correct"], pairs["rejected_correct"]) == ([1, 1, None], [0, 1, None])
    assert (pairs["rejected_tokens"], pairs["rejected_characters"]) == ([9, None, None], [41, 40, None])
    assert pairs["deltas"] == {
        "a": [-1, None, None],
        "b": [2, None, None],
        "c": [0, None, None],
        "mean": [1 / 3, None, None],
    }
    assert (pairs["chosen_scores"]["b"], pairs["rejected_scores"]["b"]) == ([5, None, None], [3, 4, None])
    assert pairs["ranks"] == {"0": [[1, 0, 0], [0, 1, 1]], "1": [[0, 0, 0]]}


def test_pairs_of_another_draw_have_no_deltas(study: HandMade) -> None:
    pairs = study.read("pairs/1")
    assert pairs["deltas"] == dict.fromkeys(["a", "b", "c", "mean"], [None] * 3)
    assert pairs["ranks"] == {"0": [[1, 0, 0], [0, 1, 1]]}


def test_a_trace_has_its_grade_and_its_verdicts_and_a_reply_stands_once(study: HandMade) -> None:
    (first, second), _ = study.read("traces/0/0")
    assert (first["sample"], first["tokens"], first["finish_reason"]) == (0, 9, "stop")
    assert first["seed"] == str(2**62)  # a number of JavaScript would lose its end
    assert (first["correct"], first["extracted"], second["correct"]) == (True, "1", False)
    assert [reply["reply"] for reply in first["replies"]] == ['{"c": 3}', '{"a": 4, "b": 2}', "I cannot say."]
    assert first["replies"][1]["reasoning"] == f"Because. {HOSTILE}"
    judged = first["judgements"]["b"]
    assert (judged["score"], judged["failure"], judged["attempts"]) == (2, None, 3)
    assert judged["votes"] == [
        {"score": 2, "failure": None, "attempt": 0, "key": "strong-1", "reply": 1},
        {"score": None, "failure": "not_json", "attempt": 1, "key": "strong-2", "reply": 2},
    ]
    assert first["judgements"]["a"]["votes"][1]["reply"] == 2


def test_a_reply_that_is_not_recorded_is_said_to_be(study: HandMade) -> None:
    (_, second), _ = study.read("traces/0/0")
    (vote,) = second["judgements"]["a"]["votes"]
    assert (second["judgements"]["a"]["score"], vote["score"], vote["failure"]) == (5, None, "not_recorded")
    assert second["replies"] == [{"reasoning": None, "reply": None, "judge": None}]


def test_traces_that_failed_or_are_missing_keep_their_place(study: HandMade) -> None:
    (cut,), none = study.read("traces/0/1")
    assert (cut["text"], cut["finish_reason"], cut["grade_failure"], none) == ("cut", "length", "truncated", [])
    assert cut["judgements"] == {
        "a": {"score": None, "failure": "unusable_trace", "attempts": 0, "votes": []},
    }
    ((failed,),) = study.read("traces/0/2")
    assert (failed["text"], failed["failure"], failed["judgements"]) == (None, "too_long", {})
    assert study.read("traces/1/0")[0][0]["judgements"] == {}  # another draw is not judged


def test_items_say_how_each_policy_answered(study: HandMade) -> None:
    items = study.read("items/0")
    assert (items["prompt_ids"], items["samples"], items["policies"]) == (ITEMS, 2, [0, 1, 2, 3])
    assert items["right"] == ["1100-?", *["1111-?"] * 3]
    assert items["finish"] == ["ssssls"] * 4
    assert items["tokens"] == [[5.5, 5.5, 5.0]] * 4
    assert items["has_text"] == [0, 1, 0]  # the item on which they differ


def test_answers_are_shown_for_the_items_that_differ_most(study: HandMade) -> None:
    (first, second), (third,) = study.read("answers/0/0"), study.read("answers/0/1")
    assert [item["id"] for item in (first, second, third)] == ITEMS
    assert (second["text"], second["answers"]) == (f"i2? {HOSTILE}", ["7"])
    assert (first["by_policy"], third["by_policy"]) == ({}, {})
    assert second["by_policy"]["0"] == [
        {
            "sample": 0,
            "text": f"pa/base: {HOSTILE}",
            "extracted": "7",
            "correct": False,
            "finish_reason": "stop",
            "tokens": 5,
            "failure": None,
        }
    ]
    (lost,) = second["by_policy"]["1"]
    assert (lost["text"], lost["correct"], lost["failure"]) == (None, True, "not_recorded")


def test_without_answers_no_text_is_shown(tmp_path: Path) -> None:
    study = HandMade(tmp_path)
    study.browse(answers=0)
    assert study.read("items/0")["has_text"] == [0, 0, 0]
    assert [item["by_policy"] for item in study.read("answers/0/0")] == [{}, {}]


def test_a_made_up_study_is_browsed(tmp_path: Path) -> None:
    script = ROOT / "benchmarks/browsing/made_study.py"
    command = [sys.executable, str(script), str(tmp_path / "browse"), "--pairs", "70", "--kilobytes", "1"]
    subprocess.run(command, check=True, capture_output=True, timeout=60)
    data = tmp_path / "browse/data"
    assert [line["pairs"] for line in read_script(data, "study")["pairings"]] == [70]
    found = [path.relative_to(data).with_suffix("").as_posix() for path in data.rglob("*.js")]
    assert all(read_script(data, name) for name in found)
    assert len(found) == 1 + 1 + 14 + 2 * 14 + 3 + 3 * 100
