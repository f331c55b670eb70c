"""`prefdelta export results`: every policy's accuracy with its interval, in the form of Every Eval Ever 0.3.

The schema is that of github.com/evaleval/every_eval_ever (MIT): one JSON file per policy below
data/<collection>/<organisation>/<policy>/, and beside it, if asked for, a JSON line per answer.
"""

import hashlib
import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any
from uuid import UUID

from prefdelta.commands.export.accuracies import MeasuredAccuracy, check_unchanged, interval_method, measured
from prefdelta.commands.export.lineage import model_lineage
from prefdelta.commands.export.pairs import trained_arm
from prefdelta.commands.export.result_items import write_items
from prefdelta.commands.export.shared_names import LOCAL_FOLDER
from prefdelta.commands.output import prefdelta_version
from prefdelta.core.arms import Arm, Base
from prefdelta.core.data.sources import DataSource
from prefdelta.core.errors import StudyError
from prefdelta.core.hub import is_local
from prefdelta.core.statistics import LEVEL, Estimate
from prefdelta.store import checkpoints
from prefdelta.study.study import Study
from prefdelta.system.files import sha256_of
from prefdelta.system.staged import new_folder

SCHEMA = "0.3.0"
_ORGANIZATION = r"[A-Za-z0-9][A-Za-z0-9._-]*"


@dataclass(frozen=True, slots=True)
class WrittenResults:
    policies: int
    results: int
    items: int


def write_results(
    study: Study, out: Path, organization: str, only: Sequence[str] | None = None, items: bool = False
) -> WrittenResults:
    """Write the folder `out`. only: names of arms and bases; None: all. items: also every answer, with its texts.

    Raises StudyError if nothing is evaluated, if an arm of `only` is not, if a file is not as it was evaluated, if
    the organisation's name is no folder's, or as `new_folder`.
    """
    if not re.fullmatch(_ORGANIZATION, organization):
        raise StudyError(
            f"--organization {organization}: give a name of letters, digits, points, hyphens and underscores, as a "
            "folder is called after it."
        )
    found = measured(study)
    if not found:
        raise StudyError(f"{study.results}/evaluate: nothing is evaluated yet. Run the study, then export its results.")
    if unknown := set(only or []) - {str(policy) for policy in found}:
        raise StudyError(
            f"no results of {', '.join(sorted(unknown))}: not evaluated yet, or not in the study. Evaluated are "
            f"{', '.join(map(str, list(found)[:8]))}{' …' if len(found) > 8 else ''}."
        )
    chosen = {policy: results for policy, results in found.items() if only is None or str(policy) in only}
    check_unchanged(chain.from_iterable(chosen.values()))
    now, results, lines = str(int(time.time())), 0, 0
    with new_folder(out) as folder:
        for policy, values in chosen.items():
            log = _log(study, policy, values, organization, now)
            place = Path("data", _collection(study), *_place(log["model_info"]["id"]))
            name = str(_uuid(log["evaluation_id"]))
            (folder / place).mkdir(parents=True, exist_ok=True)
            if items:
                path = place / f"{name}_samples.jsonl"
                rows = write_items(study, policy, values, log, folder / path)
                log["detailed_evaluation_results"] = {
                    "format": "jsonl",
                    "file_path": path.as_posix(),
                    "hash_algorithm": "sha256",
                    "checksum": sha256_of(folder / path),
                    "total_rows": rows,
                }
                lines += rows
            text = json.dumps(log, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
            (folder / place / f"{name}.json").write_text(text, encoding="utf-8")
            results += len(values)
    return WrittenResults(len(chosen), results, lines)


def _collection(study: Study) -> str:
    return f"prefdelta-{study.config.study}"


def _place(model: str) -> tuple[str, str]:
    """(organisation, policy): the folders in which the schema's makers look for a model."""
    organization, _, name = model.partition("/")
    return organization, name.replace("/", "_")


def _uuid(name: str) -> UUID:
    """A UUID of version 4, as file names must be, that depends on the name alone."""
    return UUID(bytes=hashlib.sha256(name.encode("utf-8")).digest()[:16], version=4)


def _log(
    study: Study, policy: Arm | Base, values: Sequence[MeasuredAccuracy], organization: str, now: str
) -> dict[str, Any]:
    first = values[0].manifest.run
    model = _model(study, policy, organization, first.versions)
    return {
        "schema_version": SCHEMA,
        "evaluation_id": f"{_collection(study)}/{model['id']}/{now}",
        "evaluation_timestamp": first.started,
        "retrieved_timestamp": now,
        "source_metadata": {
            "source_name": f"prefdelta study {study.config.study}",
            "source_type": "evaluation_run",
            "source_organization_name": organization,
            "evaluator_relationship": "third_party"
            if model["id"] == model["additional_details"]["base_model"]
            else "first_party",
        },
        "eval_library": {
            "name": "prefdelta",
            "version": prefdelta_version(),
            "additional_details": {"commit": first.commit or "unknown"},
        },
        "model_info": model,
        "evaluation_results": [_result(study, policy, value) for value in values],
    }


def _model(study: Study, policy: Arm | Base, organization: str, versions: Mapping[str, str]) -> dict[str, Any]:
    base = model_lineage(study, policy.policy)
    engine = study.config.evaluate.engine.name
    details = {
        "deployment_type": "self_deployed",
        "base_model": base.model,
        "base_revision": base.revision or "unknown",
        "base_source": "hub" if base.is_of_hub else LOCAL_FOLDER if base.is_local else "trained in the study",
    }
    if isinstance(policy, Arm):
        trained = trained_arm(study, policy)
        details |= {
            "model_availability": "unknown",
            "arm": str(policy),
            "method": trained.method,
            "recipe": json.dumps(trained.recipe),
            "pairs": str(trained.details.pairs),
            "updates": str(trained.details.updates),
            "weights_sha256": checkpoints.read_pointer(Path(study.policy_manifest(policy))).weights,
        }
    else:
        details["model_availability"] = "open_weights" if base.is_of_hub else "unknown"
    if isinstance(policy, Base) and base.is_of_hub:
        identity = base.model
    else:
        identity = f"{organization}/{study.config.study}_{str(policy).replace('/', '_')}"
    return {
        "name": str(policy),
        "id": identity,
        "developer": identity.partition("/")[0],
        "inference_engine": {"name": engine, "version": versions.get(engine, "unknown")},
        "additional_details": details,
    }


def _result(study: Study, policy: Arm | Base, value: MeasuredAccuracy) -> dict[str, Any]:
    group = study.config.evaluate.groups[value.group]
    asked = value.manifest.settings["benchmarks"][value.benchmark]
    sampling = value.manifest.settings["sampling"]
    estimate = value.accuracy
    details = {"items": str(value.items), "items_counted": str(value.counted)}
    if value.truncated is not None:
        details["truncated_share"] = f"{value.truncated:.6f}"
    if value.difference is not None and value.difference.value is not None:
        details |= {f"difference_from_base_{key}": text for key, text in _difference(value.difference).items()}
    return {
        "evaluation_result_id": result_id(policy, value),
        "evaluation_name": f"{value.benchmark} ({group.title})",
        "source_data": _source(study, value),
        "evaluation_timestamp": value.manifest.run.started,
        "metric_config": {
            "evaluation_description": "Share of the items that are solved; one without an answer in the token limit "
            "counts as not solved.",
            "metric_id": "accuracy",
            "metric_name": f"Accuracy (avg@{asked['samples']})",
            "metric_kind": "accuracy",
            "metric_unit": "proportion",
            "metric_parameters": {"samples_per_item": asked["samples"]},
            "lower_is_better": False,
            "score_type": "continuous",
            "min_score": 0,
            "max_score": 1,
            "additional_details": {"grader": str(asked["grader"])},
        },
        "score_details": {
            "score": estimate.value,
            "details": details,
            "uncertainty": _uncertainty(estimate),
        },
        "generation_config": {
            "generation_args": {
                "temperature": sampling["temperature"],
                "top_p": sampling["top_p"],
                "max_tokens": sampling["max_tokens"],
                "prompt_template": Path(asked["template"]).read_text(encoding="utf-8"),
            },
            "additional_details": {
                "seed": str(value.manifest.settings["seed"]),
                "system_prompt": str(value.manifest.settings.get("system") or ""),
                "chat_template": json.dumps(value.manifest.settings.get("rendering")),
                "reasoning_effort": str(sampling.get("reasoning_effort")),
                "engine": json.dumps(value.manifest.settings["engine"]),
            },
        },
    }


def result_id(policy: Arm | Base, value: MeasuredAccuracy) -> str:
    return f"{policy}/{value.group}/{value.benchmark}/accuracy"


def _uncertainty(estimate: Estimate) -> dict[str, Any]:
    uncertainty: dict[str, Any] = {"num_samples": estimate.n}
    if estimate.se is not None:
        uncertainty["standard_error"] = {"value": estimate.se, "method": "analytic"}
    if estimate.low is not None and estimate.high is not None:
        uncertainty["confidence_interval"] = {
            "lower": estimate.low,
            "upper": estimate.high,
            "confidence_level": LEVEL,
            "method": interval_method(estimate),
        }
    return uncertainty


def _difference(estimate: Estimate) -> Mapping[str, str]:
    known = {"value": estimate.value, "lower": estimate.low, "upper": estimate.high, "n": estimate.n}
    told = {key: f"{value:.6g}" for key, value in known.items() if value is not None}
    return told | {"method": f"paired by item; {interval_method(estimate)}"}


def _source(study: Study, value: MeasuredAccuracy) -> dict[str, Any]:
    source = study.benchmarks[value.benchmark].source
    title = study.benchmarks[value.benchmark].title
    if isinstance(source, DataSource) and not is_local(source.dataset):
        pinned = study.hub.pinned(source)
        revision = pinned.revision if isinstance(pinned, DataSource) else None
        return {
            "dataset_name": title,
            "source_type": "hf_dataset",
            "hf_repo": source.dataset,
            "hf_split": source.split,
            "samples_number": value.problems,
            "additional_details": {"revision": revision or "unknown", "config": source.config or "default"},
        }
    kind = LOCAL_FOLDER if isinstance(source, DataSource) else f"made by a procedure (family {source.family})"
    return {
        "dataset_name": title,
        "source_type": "other",
        "additional_details": {
            "origin": kind,
            "problems": str(value.problems),
            "prompts_sha256": sha256_of(value.prompts),
        },
    }
