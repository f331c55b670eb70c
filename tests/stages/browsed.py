"""A study by hand, small enough to know every row, as stage browse finds it; and what the browser's files hold."""

import json
import re
from pathlib import Path
from typing import Any

from prefdelta.core import layout
from prefdelta.core.arms import Arm, Base, Pairing
from prefdelta.core.hub import HubModel
from prefdelta.core.ids import digest
from prefdelta.models.weights import open_weights
from prefdelta.records.call import Call
from prefdelta.records.checkpoint import Checkpoint
from prefdelta.records.contract import Row
from prefdelta.records.delta import Delta
from prefdelta.records.details.contract import NoDetails
from prefdelta.records.grade import Grade
from prefdelta.records.judgement import Judgement
from prefdelta.records.manifest import JobRun, Manifest
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.score import Score
from prefdelta.records.selection import SelectedPair
from prefdelta.records.trace import Trace
from prefdelta.stages import browse
from prefdelta.store import calls, checkpoints, tables
from prefdelta.workflow.job import Job, Outcome

STUDY = "hand"
HOSTILE = "</script><script>alert(1)</script> \u2028 & <!-- $\\frac{1}{2}$"
PROMPTS = [f"p{number}" for number in range(1, 6)]
ITEMS = ["i1", "i2", "i3"]
GENERATORS = ["strong", "strong@1", "weak", "weak@1"]
MAIN, AGAIN = Pairing("strong", "weak"), Pairing("strong@1", "weak@1")
ARMS = [Arm("pa", AGAIN, "all", "dpo", 1), Arm("pa", MAIN, "all", "dpo", 0), Arm("pa", MAIN, "top-mean-1", "dpo", 0)]
HUB = HubModel(name="somebody/policy", revision="c" * 40)
RUN = JobRun(started="2026-01-01T00:00:00Z", seconds=1.0, cpu_seconds=1.0, peak_mib=1, commit="0123456789ab")
FORMS = {"brevity": ["c"], "logic": ["a", "b"]}


class HandMade:
    """Tables, record, manifests and texts of the study below a folder."""

    def __init__(self, folder: Path) -> None:
        self.results = folder / layout.results(STUDY)
        self.record = self.results / "record"
        self.inputs: dict[str, list[Path]] = {}
        self._add_texts(folder)
        self._write("prompts", Prompt, [Prompt(p, "train", f"{p}? {HOSTILE}", ["1"]) for p in PROMPTS], source="train")
        for generator in GENERATORS:
            self._add_traces(generator)
        for pairing in (MAIN, AGAIN):
            self._add_pairs(pairing)
        self._add_answers()

    def _add_texts(self, folder: Path) -> None:
        application = folder / "browser"
        texts = {
            "page": {application / "index.html": "<p>The page.</p>"},
            "app": {application / "browser.js": "run();", application / "vendor/fonts/x.woff2": "a font"},
            "template": {folder / "problem.md": "{problem}"},
            "judge_template": {folder / "judge.md": "{trace}"},
            "rubrics": {folder / f"{name}.md": f"What {name} is." for name in ("a", "b", "c")},
        }
        for name, files in texts.items():
            for path, text in files.items():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            self.inputs[name] = list(files)

    def _write(self, name: str, row_type: type[Row], rows: list[Any], kind: str | None = None, **axes: str) -> Path:
        path = self.results / layout.output(kind or name, **axes)
        tables.write(path, row_type, rows)
        self.inputs.setdefault(name, []).append(path)
        return path

    def _add_manifest(self, table: Path, stage: str, inputs: dict[str, str], **settings: object) -> None:
        manifest = Manifest(
            stage=stage, rows=0, failures={}, details=NoDetails(), settings=settings, inputs=inputs, run=RUN
        )
        path = table.with_suffix(layout.MANIFEST)
        path.write_text(manifest.to_json())
        self.inputs.setdefault("manifests", []).append(path)

    def _add_traces(self, generator: str) -> None:
        """Two samples of p1, one of the others, none of p4; the trace of p3 is cut, and that of p5 failed."""
        name = {"generator": generator}
        fine = [("p1", 0), ("p1", 1), ("p2", 0)]
        rows = [Trace(p, generator, s, f"{p} {s} {HOSTILE}", "stop", 9, 2**62 + s, f"t{p}{s}", None) for p, s in fine]
        rows.append(Trace("p3", generator, 0, "cut", "length", 9, 7, "tp3", None))
        rows.append(Trace("p5", generator, 0, None, None, None, 7, "tp5", "too_long"))
        table = self._write("traces", Trace, rows, "generate", **name)
        grades = [Grade(p, generator, s, "1", s == 0, None) for p, s in fine]
        grades.append(Grade("p3", generator, 0, None, None, "truncated"))
        grades.append(Grade("p5", generator, 0, None, None, "too_long"))
        self._write("grades", Grade, grades, "grade", **name)
        pointer = self.results / layout.output("ladder", model="small")
        if generator == GENERATORS[0]:
            checkpoints.write_pointer(pointer, Checkpoint("k", "w" * 64, "models/k"))
            self.inputs["weights"] = [pointer]
        hub = {"name": "somebody/strong", "revision": "a" * 40} if generator.startswith("strong") else None
        read = {} if hub else {str(pointer): "of the pointer"}
        self._add_manifest(table, "generate", read, hub=hub, sampling={"temperature": 1.0}, system="Be brief.")
        if "@" not in generator:
            self._add_judgements(generator)

    def _add_judgements(self, generator: str) -> None:
        """p1's first sample has two votes, one of them no verdict; the reply to p1's second sample is not recorded."""
        keys = [f"{generator}-1", f"{generator}-2"]
        gone = Judgement("p3", generator, 0, "a", None, 0, 0, [], "unusable_trace")
        rows = [Judgement("p1", generator, 0, name, score, 1, 3, keys, None) for name, score in (("a", 4), ("b", 2))]
        rows += [Judgement("p1", generator, 1, name, 5, 1, 1, ["lost"], None) for name in ("a", "b")]
        table = self._write("judgements", Judgement, [*rows, gone], "judge", generator=generator, form="logic")
        self._add_manifest(table, "judge", {}, engine={"model": "judge-1", "base_url": "https://judge.example/v1"})
        reply = json.dumps({"a": 4, "b": 2})
        self._add_calls(
            calls.judge_calls(self.record, "logic", generator),
            _call(keys[0], reply, reasoning=f"Because. {HOSTILE}", model="judge-1"),
            _call(keys[1], "I cannot say.", attempt=1, model="judge-1"),
        )
        row = Judgement("p1", generator, 0, "c", 3, 1, 1, [f"{generator}-3"], None)
        table = self._write("judgements", Judgement, [row], "judge", generator=generator, form="brevity")
        self._add_manifest(
            table, "judge", {}, engine={"model": "judge-1", "server": {"name": "vllm"}}, hub={"revision": "b" * 40}
        )
        self._add_calls(
            calls.judge_calls(self.record, "brevity", generator), _call(f"{generator}-3", '{"c": 3}', model="judge-1")
        )

    def _add_calls(self, partition: Path, *rows: Call) -> None:
        tables.write(partition / "0-hand.parquet", Call, list(rows))

    def _add_pairs(self, pairing: Pairing) -> None:
        ids = [f"{pairing.chosen}-{p}" for p in PROMPTS]
        self._write("pairs", Pair, [
            Pair(ids[0], "p1", 0, 1, True, "right-wrong", 9, 9, True, False, True, None, 40, 41, "texts"),
            Pair(ids[1], "p2", 0, 0, True, "right-right", 9, None, True, True, True, None, 40, 40, "texts"),
            Pair(ids[2], "p3", None, None, True, None, None, None, None, None, False, "chosen_truncated"),
        ], "pair", **pairing.axes)  # fmt: skip
        if pairing == MAIN:
            for dimension, value in (("a", -1.0), ("b", 2.0), ("c", 0.0), ("mean", 1 / 3)):
                deltas = [
                    Delta(ids[0], 3.0 + value, 3.0, value, None),
                    Delta(ids[1], None, 4.0, None, "chosen_unjudged"),
                ]
                deltas.append(Delta(ids[2], None, None, None, "not_eligible"))
                self._write("deltas", Delta, deltas, "delta", **pairing.axes, dimension=dimension)
        chosen = [SelectedPair(ids[1], 0, False), SelectedPair(ids[0], 1, True)]
        self._write("selected", SelectedPair, chosen, "filter", **pairing.axes, selection="all", order="0")
        if pairing == MAIN:
            top = [SelectedPair(ids[0], 0, False)]
            self._write("selected", SelectedPair, top, "filter", **pairing.axes, selection="top-mean-1", order="0")

    def _add_answers(self) -> None:
        """Two draws of three items by each arm, four by the untrained policy. i2 separates the policies."""
        items = [Prompt(item, "exam", f"{item}? {HOSTILE}", ["7"]) for item in ITEMS]
        self._write("prompts", Prompt, items, source="exam")
        for number, policy in enumerate((Base("pa"), *ARMS)):
            base = isinstance(policy, Base)
            pointer = self.results / layout.output("train", **policy.axes) if not base else None
            if pointer:
                checkpoints.write_pointer(pointer, Checkpoint(digest(str(policy)), f"{number}" * 64, "policies/x"))
                self.inputs["weights"].append(pointer)
            rows = [_score("i1", s, f"{policy}-i1-{s}", True) for s in range(4 if base else 2)]
            rows += [_score("i2", s, f"{policy}-i2-{s}", not base) for s in range(2)]
            rows.append(_score("i3", 0, "cut", None, finish_reason="length", failure="truncated"))
            rows.append(_score("i3", 1, "slow", None, n_tokens=None, failure="time_out"))
            other = Score("other", "i1", 0, "7", True, "stop", 5, "other", None)
            kind = "evaluate_base" if base else "evaluate"
            self._write("scores", Score, [*rows, other], kind, **policy.axes, group="all")
            key = open_weights([pointer] if pointer else [], None if pointer else HUB, self.record, only_look=True).key
            if policy != ARMS[0]:  # its record was left behind
                text = f"{policy}: {HOSTILE}"
                self._add_calls(calls.policy_calls(self.record, key), _call(f"{policy}-i2-0", text))

    def browse(self, **changed: object) -> Outcome:
        settings = browse.BrowseSettings(
            study=STUDY,
            title="By hand",
            page=2,
            items=1,
            dimensions={**{name: [name] for name in "abc"}, "mean": ["a", "b", "c"]},
            forms=FORMS,
            generators=GENERATORS,
            arms={str(arm): f"{arm.selection}/t0" for arm in ARMS},
            benchmarks={
                "exam": browse.BrowseBenchmark(title="An exam", domain="maths", group="all", samples=2, temperature=1.0)
            },
            hub={"pa": HUB},
        ).model_copy(update=changed)
        folder = self.results / "browse"
        outputs = {"page": [folder / "index.html"], "app": [folder / "app"], "data": [folder / "data"]}
        return browse.run(Job(settings, self.inputs, outputs, self.record))

    def read(self, name: str) -> Any:
        return read_script(self.results / "browse/data", name)


def read_script(data: Path, name: str) -> Any:
    """The value in a script of the browser's data."""
    text = (data / f"{name}.js").read_text(encoding="utf-8")
    match = re.fullmatch(rf'prefdelta\.load\("{name}",(.*)\);\n', text)
    assert match, text[:200]
    assert not set(match[1]) & set("<>&\u2028\u2029")
    return json.loads(match[1])


def _call(key: str, text: str, **columns: Any) -> Call:
    plain: dict[str, Any] = {"attempt": 0, "model": None, "reasoning": None} | columns
    return Call(
        key,
        key,
        plain["attempt"],
        text,
        "stop",
        9,
        None,
        plain["model"],
        1.0,
        0.0,
        "host",
        reasoning=plain["reasoning"],
    )


def _score(item: str, sample: int, key: str, correct: bool | None, **columns: Any) -> Score:
    plain: dict[str, Any] = {"finish_reason": "stop", "n_tokens": 5 + sample, "failure": None} | columns
    return Score("exam", item, sample, "7", correct, plain["finish_reason"], plain["n_tokens"], key, plain["failure"])
