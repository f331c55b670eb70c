"""Every answer of a policy as a JSON line of Every Eval Ever 0.3 (`instance_level_eval.schema.json`)."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefdelta.commands.export.accuracies import MeasuredAccuracy
from prefdelta.commands.export.json_lines import json_line
from prefdelta.core.answers.accuracy import outcome
from prefdelta.core.arms import Arm, Base
from prefdelta.core.errors import StudyError
from prefdelta.models.weights import open_weights
from prefdelta.records.call import Call
from prefdelta.records.prompt import Prompt
from prefdelta.records.score import Score
from prefdelta.store import tables
from prefdelta.store.calls import policy_calls
from prefdelta.store.record import Record
from prefdelta.study.study import Study


def write_items(
    study: Study, policy: Arm | Base, values: Sequence[MeasuredAccuracy], log: Mapping[str, Any], path: Path
) -> int:
    """Write one line per answer that counts, and return how many. log: the aggregate that they belong to.

    Raises StudyError if the record lacks replies, or if an answer is to a problem that is not there.
    """
    calls = Record(policy_calls(Path(study.record), _key(study, policy)), Call, only_look=True)
    count = 0
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        for value, result in zip(values, log["evaluation_results"], strict=True):
            problems = {row.prompt_id: row for row in tables.read(value.prompts, Prompt)}
            scores = [row for row in tables.read(value.table, Score) if row.benchmark == value.benchmark]
            texts = calls.fetch(row.call_key for row in scores)
            counted = [row for row in scores if outcome(row) is not None]
            if lacking := sum(row.call_key not in texts for row in counted):
                raise StudyError(
                    f"{policy}: the record lacks the replies behind {lacking:,} of {len(counted):,} answers to "
                    f"{value.benchmark}, so they cannot be written. Leave out --items, or put "
                    f"{policy_calls(Path(study.record), _key(study, policy))} back."
                )
            if strange := {row.prompt_id for row in counted} - problems.keys():
                raise StudyError(
                    f"{value.prompts}: lacks {len(strange):,} problems that {value.table} has answers to. Run the "
                    "study, then export."
                )
            for row in counted:  # without those that we failed to ask or grade: they are no results of the policy
                line = _line(row, int(outcome(row) or 0), problems[row.prompt_id], texts[row.call_key])
                known = {
                    "schema_version": log["schema_version"],
                    "evaluation_id": log["evaluation_id"],
                    "model_id": log["model_info"]["id"],
                    "evaluation_name": result["evaluation_name"],
                    "evaluation_result_id": result["evaluation_result_id"],
                }
                stream.write(json_line(known | line))
                count += 1
    return count


def _key(study: Study, policy: Arm | Base) -> str:
    """The policy's name in the record."""
    if isinstance(policy, Arm):
        pointers, hub = [study.policy_manifest(policy)], None
    else:
        job = next(job for job in study.jobs("evaluate") if policy in job.arms)
        hub = study.hub.model(policy.policy)
        pointers = [] if hub else job.inputs["weights"]
    return open_weights(list(map(Path, pointers)), hub, Path(study.record), only_look=True).key


def _line(row: Score, solved: int, prompt: Prompt, call: Call) -> dict[str, Any]:
    attribution = {
        "turn_idx": 0,
        "source": "output.raw",
        "extracted_value": row.extracted,
        "extraction_method": "custom",
        "is_terminal": True,
    }
    line: dict[str, Any] = {
        "sample_id": f"{row.prompt_id}/{row.sample}",
        "sample_hash": hashlib.sha256((prompt.text + "".join(prompt.answers)).encode("utf-8")).hexdigest(),
        "interaction_type": "single_turn",
        "input": {"raw": prompt.text, "reference": prompt.answers},
        "output": {"raw": [] if call.text is None else [call.text]},
        "answer_attribution": [] if row.extracted is None else [attribution],
        "evaluation": {"score": solved, "is_correct": bool(solved)},
        "error": row.failure,
        "metadata": {"finish_reason": str(row.finish_reason), "n_tokens": str(row.n_tokens)},
    }
    if call.prompt_tokens is not None and row.n_tokens is not None:
        line["token_usage"] = {
            "input_tokens": call.prompt_tokens,
            "output_tokens": row.n_tokens,
            "total_tokens": call.prompt_tokens + row.n_tokens,
        }
    return line
