"""`prefdelta export policy ARM`: a trained policy as a folder that the Hugging Face hub and its libraries read."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from prefdelta.commands.export.accuracies import MeasuredAccuracy, check_unchanged, interval_method, measured
from prefdelta.commands.export.lineage import ExportLineage, ModelLineage, lineage_of, model_lineage
from prefdelta.commands.export.model_card import model_card
from prefdelta.commands.export.pairs import ArmTraining, trained_arm
from prefdelta.core.arms import Arm
from prefdelta.core.data.sources import DataSource
from prefdelta.core.errors import StudyError
from prefdelta.core.hub import is_local
from prefdelta.reading.study_tables import StudyTables
from prefdelta.store import checkpoints
from prefdelta.store.snapshots import SEAL, read_seal
from prefdelta.study.study import Study
from prefdelta.system.staged import new_folder

_KEPT_HERE = {SEAL, checkpoints.DETAILS}  # files of the record that are no part of the model


def write_policy(study: Study, arm: Arm, out: Path, license_name: str | None) -> int:
    """Write the folder `out`, and return how many results its card has.

    Raises StudyError if the policy is not trained, if its weights were removed or damaged, if a file is not as it was
    evaluated, or as `new_folder`.
    """
    trained = trained_arm(study, arm)
    checkpoint = checkpoints.read_pointer(Path(study.policy_manifest(arm)))
    source = Path(study.record) / checkpoint.folder
    if not source.is_dir() or checkpoints.are_removed(source):
        raise StudyError(
            f"{arm}: its weights are not in {source} any more, so there is nothing to export. Have them trained again: "
            "prefdelta invalidate."
        )
    hashes = read_seal(source)
    results = measured(study).get(arm, [])
    check_unchanged(results)
    found = StudyTables(study.outputs, study.config.study)
    dimensions = [place.axes["dimension"] for place in found.places("delta", **arm.pairing.axes)]
    lineage = lineage_of(study, arm.pairing, dimensions, study.filter_job(arm))
    base = model_lineage(study, arm.policy)
    names = [name for name in hashes if name not in _KEPT_HERE]
    with new_folder(out) as folder:
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, folder / name)
        account = _account(trained, lineage, base, checkpoint.key, {name: hashes[name] for name in names})
        texts = {
            "lineage.json": json.dumps(account, indent=2, ensure_ascii=False) + "\n",
            "README.md": model_card(study, trained, lineage, base, results, license_name),
            **eval_results(study, results),
        }
        for name, text in texts.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8")
    return len(results)


def eval_results(study: Study, results: Sequence[MeasuredAccuracy]) -> dict[str, str]:
    """Path -> text of the hub's `.eval_results/*.yaml` (its docs, "Evaluation Results"): one per benchmark of the hub.

    The hub shows them only for data sets that are registered as benchmarks there, under the id of a task that the data
    set names; here it is the configuration that was asked. Values are percentages.
    """
    import yaml
    from huggingface_hub import EvalResultEntry, eval_result_entries_to_yaml

    entries: dict[str, list[EvalResultEntry]] = {}
    for result in results:
        source = study.hub.pinned(study.benchmarks[result.benchmark].source)
        if not isinstance(source, DataSource) or is_local(source.dataset):
            continue
        entry = EvalResultEntry(
            dataset_id=source.dataset,
            task_id=source.config or "default",
            value=round(100 * (result.accuracy.value or 0.0), 4),
            dataset_revision=source.revision,
            date=result.manifest.run.started,
            notes=_notes(study, result),
        )
        entries.setdefault(f".eval_results/{result.benchmark}.yaml", []).append(entry)
    return {
        path: yaml.safe_dump(eval_result_entries_to_yaml(found), sort_keys=False) for path, found in entries.items()
    }


def _notes(study: Study, result: MeasuredAccuracy) -> str:
    asked, accuracy = result.manifest.settings["benchmarks"][result.benchmark], result.accuracy
    sampling = result.manifest.settings["sampling"]
    interval = ""
    if accuracy.low is not None and accuracy.high is not None:
        interval = f" 95% interval {100 * accuracy.low:.2f} to {100 * accuracy.high:.2f} ({interval_method(accuracy)});"
    return (
        f"accuracy in percent, avg@{asked['samples']} over {accuracy.n:,} problems;{interval} temperature "
        f"{sampling['temperature']}, at most {sampling['max_tokens']} tokens; prefdelta's grader {asked['grader']}, "
        f"group {result.group}"
    )


def _account(
    trained: ArmTraining, lineage: ExportLineage, base: ModelLineage, key: str, files: dict[str, str]
) -> dict[str, Any]:
    details = {name: value for name, value in asdict(trained.details).items() if name not in ("curve", "seconds")}
    run = trained.manifest.run
    return {
        "arm": str(trained.arm),
        "base": asdict(base),
        "recipe": trained.recipe,
        "training": details,
        "key": key,
        "data": asdict(lineage),
        "source": {"commit": run.commit, "code": trained.manifest.code},
        "python": run.python,
        "versions": run.versions,
        "sha256": files,
    }
