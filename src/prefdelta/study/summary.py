"""A study in a few lines, as a dry run shows it."""

from prefdelta.core.stage_names import STAGES
from prefdelta.study.study import Study


def summary(study: Study) -> str:
    """Its jobs by stage, and the reasons why it cannot run yet."""
    counts = {stage: len(study.jobs(stage)) for stage in STAGES}
    jobs = ", ".join(f"{stage} {count}" for stage, count in counts.items() if count)
    arms = f"{len(study.arms)} trained arms and {len(study.config.policies)} untrained"
    lines = [f"study {study.config.study}: {arms}, {sum(counts.values())} jobs: {jobs}"]
    if study.unpinned:
        lines.append(f"warning: {study.hub.unpinned_message()} Until then it does not run.")
    return "\n".join(lines)
