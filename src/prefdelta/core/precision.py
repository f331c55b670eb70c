"""In which precision a trained policy may be evaluated: the cheapest one that keeps what training changed.

A step of training may be smaller than the distance between neighbouring numbers of 16 bits. How much of an update each
precision keeps is measured as a cosine when a policy is saved (`training.saving.update_survival`).
"""

from collections.abc import Iterable, Mapping

HALF = ("bfloat16", "float16")  # they cost the same: the one that keeps more is taken
WHOLE = "float32"


def cosines_of(measured: Mapping[str, object]) -> dict[str, float]:
    """Precision -> cosine of what it keeps of the update, from the measurements of a training; none if not measured."""
    found = {precision: measured.get(f"update_cosine_{precision}") for precision in HALF}
    return {precision: cosine for precision, cosine in found.items() if isinstance(cosine, float)}


def kept_by(precision: str, cosines: Mapping[str, float]) -> float | None:
    """The cosine that a precision keeps; None if it is not known. float32 keeps all.

    `auto` is the engine's choice. vLLM takes one of 16 bits for a checkpoint in float32, so the lower cosine counts.
    """
    if precision == "auto":
        return min(cosines.values(), default=None)
    return 1.0 if precision == WHOLE else cosines.get(precision)


def cheapest_precision(updates: Iterable[Mapping[str, float]], least: float) -> str:
    """The cheapest precision that keeps a cosine of at least `least` of every update: of 16 bits, or else float32.

    updates: for each policy, its `cosines_of`.
    """
    known = list(updates)
    worst = {precision: min((one.get(precision, 0.0) for one in known), default=0.0) for precision in HALF}
    best = max(HALF, key=lambda precision: worst[precision])
    return best if worst[best] >= least else WHOLE
