"""The cheapest precision in which the policies that are trained already could be evaluated."""

from prefdelta.commands.planning.observed_speed import ObservedSpeed
from prefdelta.core.precision import WHOLE, cheapest_precision, cosines_of, kept_by
from prefdelta.study.study import Study


def precision_notes(study: Study, finished: ObservedSpeed) -> list[str]:
    """A note if the config's precision loses updates, or if a cheaper one keeps them all; else none."""
    section = study.config.evaluate
    arms = {
        name: cosines
        for job in study.jobs("train")
        for name, measured in finished.manifest(job.name).get("details", {}).get("arms", {}).items()
        if (cosines := cosines_of(measured))
    }
    if not arms:
        return []
    dtype, least = section.engine.dtype, section.min_update_cosine
    cheapest = cheapest_precision(arms.values(), least)
    lost = [name for name, cosines in arms.items() if (kept_by(dtype, cosines) or 0.0) < least]
    if lost:
        note = (
            f"evaluate.engine.dtype {dtype} rounds away what training changed in {len(lost)} of {len(arms)} trained "
            f"arms, for example {lost[0]}: they would not be evaluated. {cheapest} is the cheapest that keeps all."
        )
        return [note]
    if dtype == WHOLE and cheapest != WHOLE:
        kept = min(cosines[cheapest] for cosines in arms.values())
        note = (
            f"all {len(arms)} trained arms could be evaluated in {cheapest}, which is cheaper than {WHOLE}: the lowest "
            f"cosine of what it keeps of an update is {kept:.3f} (evaluate.min_update_cosine: {least:g}). Another "
            "evaluate.engine.dtype asks all answers again, those of the untrained policies too."
        )
        return [note]
    return []
