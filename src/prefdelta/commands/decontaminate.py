"""Find the training prompts that overlap with a benchmark, and write the lock that keeps them out of the training set.

    prefdelta decontaminate --configfile config.yaml

A prompt overlaps with an item if both hold the same prompts.contamination.ngram words in a row, or if the shorter of
the two is wholly contained in the other. How they are typeset does not count, nor does a label (`5. (10 points)`) in
front. All prompts and items are compared, whatever the limits, so a limit can change later without a new lock. Commit
the lock. The file .reasons.json beside it says with which items each prompt overlaps, and by which rule; nothing reads
it.
"""

import argparse
import json
from contextlib import suppress
from pathlib import Path

from prefdelta.commands.output import print_line
from prefdelta.commands.study_options import add_options, open_study
from prefdelta.commands.text_table import table
from prefdelta.core.data.contamination import ExcludedPrompts, Rule, counts_by_benchmark, overlaps
from prefdelta.core.errors import StudyError
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.stages.prompts import read_prompts
from prefdelta.study.study import Study
from prefdelta.system.files import publish_text
from prefdelta.system.log import say


def define(parser: argparse.ArgumentParser) -> None:
    add_options(parser)


def run(arguments: argparse.Namespace) -> None:
    study = open_study(arguments.configfile)
    gate = study.config.prompts.contamination
    if gate is None:
        raise StudyError(
            f"the study {study.config.study!r} has no gate against contamination. To give it one, say in its config: "
            f"prompts.contamination: {{ lock: resources/decontamination/{study.config.study}.lock.json }}"
        )
    train = _texts(study, TRAINING_PROMPTS)
    items: dict[str, str] = {}
    counts: dict[str, int] = {}
    for name in study.benchmarks:
        texts = _texts(study, name)
        counts[name] = len(texts)
        items |= {f"{name}:{item}": text for item, text in texts.items()}
    overlapping = overlaps(train.items(), items.items(), gate.ngram)

    print_line(f"{len(train):,} training prompts. Items, and prompts that they overlap with:")
    titles: dict[Rule, str] = {"words": f"{gate.ngram} words in a row", "characters": "all characters of a shorter one"}
    counts_by_rule = {rule: counts_by_benchmark(overlapping, rule) for rule in titles}
    rows = []
    for name, count in counts.items():
        cells = [name, "of", f"{count:,}", "items:"]
        for rule, title in titles.items():
            of_items, of_prompts = counts_by_rule[rule].get(name, (0, 0))
            cells += [f"{of_items:,}", "with", f"{of_prompts:,}", f"prompts by {title};"]
        rows.append([*cells[:-1], cells[-1].removesuffix(";")])
    for line in table(rows, right={2, 4, 6, 8, 10}, gap=" "):
        print_line(f"  {line}")
    _write(
        Path(gate.lock), ExcludedPrompts(ngram=gate.ngram, prompts=list(overlapping)), overlapping, arguments.dry_run
    )


def _texts(study: Study, source: str) -> dict[str, str]:
    """Prompt id -> text, of all prompts of a source."""
    prompts, _ = read_prompts(study.prompts_settings(source))
    say(f"{source}: {len(prompts):,} prompts read")
    return {prompt.prompt_id: prompt.text for prompt in prompts}


def _write(path: Path, lock: ExcludedPrompts, reasons: dict[str, dict[str, Rule]], dry_run: bool) -> None:
    before = path.read_text(encoding="utf-8") if path.is_file() else None
    known: set[str] = set()
    if before is not None:
        with suppress(StudyError):  # an unreadable lock is replaced
            known = set(ExcludedPrompts.read(before, str(path)).prompts)
    added, gone = len(set(lock.prompts) - known), len(known - set(lock.prompts))
    print_line(f"{path}: {len(lock.prompts):,} prompts to leave out; {added:,} are new, {gone:,} no longer are")
    if dry_run:
        print_line("dry run: nothing was written")
        return
    publish_text(path.with_suffix(".reasons.json"), json.dumps(reasons, indent=1) + "\n")
    if lock.text() == before:
        print_line("the lock is unchanged: nothing is made again")
        return
    publish_text(path, lock.text())
    print_line("the lock is written: commit it. The training prompts, and all that depends on them, are made again")
