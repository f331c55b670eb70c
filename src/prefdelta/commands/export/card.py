"""README.md of an exported data set: a data-set card of the Hugging Face hub."""

import json

from prefdelta.commands.export import wording
from prefdelta.commands.export.columns import ExportColumn, Format
from prefdelta.commands.export.markdown import listed, table
from prefdelta.commands.export.pairs import PairsExport

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def card(
    export: PairsExport, form: Format, columns: list[ExportColumn], data: str, rows: int, license_name: str | None
) -> str:
    """The text of the card. data: path of the data in the folder. license_name: as on the hub; None: not chosen."""
    from huggingface_hub import DatasetCardData

    header = DatasetCardData(
        license=license_name or wording.UNKNOWN_LICENSE,
        pretty_name=f"prefdelta {export.study}: {export.name}",
        task_categories=["text-generation"],
        tags=["preference", export.method, "prefdelta", "synthetic", *([form] if form != "jsonl" else [])],
        size_categories=[next((name for bound, name in _SIZES if rows < bound), "1M<n<10M")],
        configs=[{"config_name": "default", "data_files": [{"split": "train", "path": data}]}],
    )
    parts = [
        f"---\n{header.to_yaml()}\n---\n",
        f"# {export.name}\n\n{wording.what_it_is(export)} {wording.order(export, form)}\n",
        _licence(license_name),
        _loading(export, form, data),
        "## Columns\n\n" + table(["column", "what it is"], [[f"`{c.name}`", c.about] for c in columns]),
        _made(export),
        _left_out(export),
        "## Known limits\n\n" + listed([*wording.limits(export), *wording.biases(export), *wording.USES]),
    ]
    return "\n".join(parts)


def _licence(license_name: str | None) -> str:
    if license_name:
        return f"Licence: {license_name}, chosen by whoever exported the data.\n"
    return (
        "Licence: **unknown**. Nobody has chosen one. The terms of the problems' source and of both generators decide "
        "which are possible; export again with `--license`.\n"
    )


def _loading(export: PairsExport, form: Format, data: str) -> str:
    if form == "llamafactory":
        return (
            "## Use\n\n`dataset_dir: <this folder>` and `dataset: prefdelta` in LLaMA-Factory's config. Where `system` "
            "is null, it takes its template's default system prompt.\n"
        )
    if form == "axolotl":
        return "## Use\n\n`axolotl.yaml` is the part of a config that reads the data.\n"
    kind = {"kto": "KTO", "sft": "SFT"}.get(export.method, "DPO")
    again = ""
    if export.trained:
        precision = export.trained.recipe["dtype"]
        again = (
            f"\nTo make the arm's own updates again, take its base model and recipe (below), seed "
            f"{export.trained.arm.seed}, max_length=None and the precision {precision}; TRL's default is bf16.\n"
        )
    return (
        "## Use\n\n```python\nfrom datasets import load_dataset\n\n"
        f'pairs = load_dataset("<this folder or repository>", split="train")  # for TRL\'s {kind}Trainer\n```\n{again}'
    )


def _made(export: PairsExport) -> str:
    lineage, (template, sha256) = export.lineage, export.template
    lines = [f"Problems: {lineage.prompts}."]
    lines += [f"Generator {wording.generator_sentence(one)}." for one in lineage.generators.values()]
    lines += [f"Judge, {wording.judge_sentence(judge)}." for judge in lineage.judges]
    lines.append(f"Template of the problem: `{template}`, sha256 {sha256}.")
    lines.append(
        f"System prompt: {json.dumps(export.system, ensure_ascii=False)}." if export.system else "No system prompt."
    )
    if export.rendering:
        lines.append(f"{wording.rendering(export.rendering)}.")
    if export.trained:
        trained = export.trained
        lines.append(
            f"Training: {trained.method}, {trained.details.updates} updates of {trained.recipe['batch_size']} rows; "
            f"recipe `{json.dumps(trained.recipe)}`."
        )
    lines.append(f"prefdelta at commit {', '.join(lineage.commits) or 'unknown'}; last job {lineage.last}.")
    texts = {path: sha256 for judge in lineage.judges for path, sha256 in judge.texts.items()}
    digests = table(["text that the judge read", "sha256"], [[f"`{path}`", sha256] for path, sha256 in texts.items()])
    return f"## How it was made\n\n{listed(lines)}\n{digests}"


def _left_out(export: PairsExport) -> str:
    rows = []
    for job in export.lineage.left_out:
        reasons = ", ".join(f"{reason}: {count:,}" for reason, count in job.reasons.items()) or "none"
        rows.append([f"`{job.job}`", f"{job.rows:,}", reasons])
    if export.trained:
        unfit = {reason: count for reason, count in export.trained.details.left_out.items() if count}
        told = ", ".join(f"{reason}: {count:,}" for reason, count in unfit.items()) or "none"
        total = len(export.pairs) + sum(unfit.values())
        rows.append([f"training of `{export.name}`", f"{total:,}", told])
    return "## What was left out, and why\n\n" + table(["job", "rows", "left out"], rows)
