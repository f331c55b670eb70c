"""README.md of an exported policy: a model card of the Hugging Face hub."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from prefdelta.commands.export import wording
from prefdelta.commands.export.accuracies import MeasuredAccuracy, interval_method
from prefdelta.commands.export.lineage import ExportLineage, ModelLineage
from prefdelta.commands.export.markdown import listed, table
from prefdelta.commands.export.pairs import ArmTraining
from prefdelta.core.data.sources import DataSource
from prefdelta.core.hub import is_local
from prefdelta.core.statistics import Estimate
from prefdelta.study.study import Study

if TYPE_CHECKING:
    from huggingface_hub import EvalResult

_NOT_FOR = (
    (
        "Not for any use in which people rely on its answers. It was trained to measure what preference pairs teach; "
        "nobody looked at its safety, its biases or its behaviour outside the benchmarks below."
    ),
    (
        "Not as evidence that a method or a data set is good in general: this policy is one run with one seed. The "
        "study's report compares arms, with intervals."
    ),
    "Not as a judge or a source of labels.",
)


def model_card(
    study: Study,
    trained: ArmTraining,
    lineage: ExportLineage,
    base: ModelLineage,
    results: Sequence[MeasuredAccuracy],
    license_name: str | None,
) -> str:
    """The text of the card. base: the model that was trained. license_name: None: not chosen."""
    from huggingface_hub import ModelCardData

    arm = trained.arm
    header = ModelCardData(
        license=license_name or wording.UNKNOWN_LICENSE,
        library_name="transformers",
        pipeline_tag="text-generation",
        tags=["prefdelta", trained.method],
        base_model=base.model if base.is_of_hub else None,
        model_name=str(arm),
        eval_results=[_eval_result(study, result) for result in results] or None,
    )
    recipe = json.dumps(trained.recipe)
    made = [
        f"Base model: {base}.",
        (
            f"Pairs it was given: {trained.details.pairs:,} of the selection {arm.selection} of the pairing "
            f"{arm.pairing} (`prefdelta export {arm}` writes them)."
        ),
        f"Method: {trained.method}, {trained.details.updates} updates, seed {arm.seed}; recipe `{recipe}`.",
        *(f"Generator {wording.generator_sentence(one)}." for one in lineage.generators.values()),
        *(f"Judge, {wording.judge_sentence(judge)}." for judge in lineage.judges),
        f"Problems: {lineage.prompts}.",
        (
            f"prefdelta at commit {trained.manifest.run.commit or 'unknown'}; `lineage.json` has the rest, and the "
            "sha256 of each file."
        ),
    ]
    licence = (
        f"Licence: {license_name}, chosen by whoever exported it."
        if license_name
        else "Licence: **unknown**. Nobody has chosen one. The terms of the base model and of the data decide which "
        "are possible; export again with `--license`."
    )
    return "\n".join(
        [
            f"---\n{header.to_yaml()}\n---\n",
            (
                f"# {arm}\n\nOne trained policy (an arm) of the prefdelta study {study.config.study}: a measurement, "
                f"not a product.\n\n{licence}\n"
            ),
            f"## What it must not be used for\n\n{listed(_NOT_FOR)}",
            f"## How it was made\n\n{listed(made)}",
            f"## Results\n\n{_results(study, results)}",
        ]
    )


def _eval_result(study: Study, result: MeasuredAccuracy) -> "EvalResult":
    from huggingface_hub import EvalResult

    benchmark = study.benchmarks[result.benchmark]
    source = study.hub.pinned(benchmark.source)
    of_hub = isinstance(source, DataSource) and not is_local(source.dataset)
    return EvalResult(
        task_type="text-generation",
        dataset_type=source.dataset if isinstance(source, DataSource) and of_hub else result.benchmark,
        dataset_name=benchmark.title,
        dataset_config=source.config if isinstance(source, DataSource) else None,
        dataset_split=source.split if isinstance(source, DataSource) else None,
        dataset_revision=source.revision if isinstance(source, DataSource) else None,
        metric_type="accuracy",
        metric_value=round(100 * (result.accuracy.value or 0.0), 4),
        # The hub's library joins the results of one data set under one name, so the group stands with the metric.
        metric_name=f"Accuracy in percent, group {result.group}, {_interval(result.accuracy)}",
        metric_args={"group": result.group, **_sampling(result)},
    )


def _sampling(result: MeasuredAccuracy) -> dict[str, object]:
    sampling = result.manifest.settings["sampling"]
    return {name: sampling[name] for name in ("temperature", "max_tokens") if name in sampling}


def _results(study: Study, results: Sequence[MeasuredAccuracy]) -> str:
    if not results:
        return "It is not evaluated yet.\n"
    rows = [
        [
            study.benchmarks[result.benchmark].title,
            study.config.evaluate.groups[result.group].title,
            f"{100 * (result.accuracy.value or 0):.1f}% ({_interval(result.accuracy)})",
            "" if result.difference is None else _points(result.difference),
            f"{result.counted:,}",
        ]
        for result in results
    ]
    methods = sorted({interval_method(result.accuracy) for result in results})
    head = ["benchmark", "asked", "accuracy", "minus the untrained model, points", "answers"]
    spread = (
        " How much repeated trainings differ was estimated from other runs of the study, not from this policy alone."
        if any(result.accuracy.run_df for result in results)
        else ""
    )
    return f"{table(head, rows)}\nIntervals are 95%: {'; '.join(methods)}.{spread} Differences are paired by item.\n"


def _interval(estimate: Estimate) -> str:
    if estimate.low is None or estimate.high is None:
        return "no interval"
    return f"95% interval {100 * estimate.low:.1f} to {100 * estimate.high:.1f}"


def _points(difference: Estimate) -> str:
    if difference.value is None:
        return "not known"
    if difference.low is None or difference.high is None:
        return f"{100 * difference.value:+.1f} (no interval)"
    return f"{100 * difference.value:+.1f} ({100 * difference.low:+.1f} to {100 * difference.high:+.1f})"
