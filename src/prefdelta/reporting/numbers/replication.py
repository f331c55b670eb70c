"""What each source of variance is replicated by in this study, and whether intervals hold it.

Read from the arms, the answers and the manifests of the jobs that ran. A source that nothing repeats is in no interval:
a study cannot show how far its numbers would move there.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from prefdelta.core.arms import Arm, Pairing, parse_arm, undrawn
from prefdelta.core.asking.judges import judge_in
from prefdelta.core.pairs.selections import parse_selection
from prefdelta.reporting.arms import Repeats, families, selection_of, without_draw
from prefdelta.reporting.content import Content
from prefdelta.reporting.formats import listed, span
from prefdelta.reporting.numbers.answers import AnswerMatrix
from prefdelta.reporting.numbers.runs import RunVariance, by_seed
from prefdelta.reporting.panels import panels

TIE_ORDER, JUDGE_DRAW, TRACE_DRAW = "Order of equal deltas", "Judge’s draw", "Draw of traces"
NOT = "not replicated"


@dataclass(frozen=True, slots=True)
class Source:
    """One source of variance."""

    name: str
    replicated: str  # by what, and how often
    held: str  # whether intervals hold it


def replication(content: Content) -> list[Source]:
    """The sources of variance of a gain, from the benchmark back to the generators."""
    arms = content.all_arms()
    ordered = _orders(content)
    return [
        _problems(content),
        *_answers(content),
        _seeds(content, arms),
        *_random_draws(content, arms),
        *([_tie_orders(ordered)] if ordered else []),
        *_judge(content),
        *_traces(content, arms),
        *_policies(arms),
        *_generators(content),
    ]


def beyond_runs(content: Content) -> dict[str, str]:
    """What shows how far the sources before a training move an arm: no arm is trained on another draw of them."""
    orders = _orders(content)
    several = any(len(drawn) > 1 for drawn in orders.values())
    ties = {TIE_ORDER: f"in the {_drawn_with(orders)}" if several else NOT} if orders else {}
    return {**ties, JUDGE_DRAW: NOT}


def run_df(content: Content) -> list[int]:
    """The degrees of freedom of the variance between runs, by panel; 0: no arm was repeated."""
    variances = [content.scores.run_variance(panel.evaluations) for panel in panels(content)]
    return [variance.df if variance else 0 for variance in variances]


def _problems(content: Content) -> Source:
    n = [matrix.n_problems for matrix in _matrices(content)]
    return Source(
        "Problems of a benchmark", f"{span(n)} problems per benchmark", "yes, in every interval of an accuracy"
    )


def _answers(content: Content) -> list[Source]:
    trained: list[int] = []
    bases: list[int] = []
    for matrix in _matrices(content):
        for name, row in matrix.rows.items():
            (trained if isinstance(parse_arm(name), Arm) else bases).append(matrix.draws(row))
    sources = []
    if trained:
        sources.append(Source("Draw of a trained arm’s answers", _times(trained), "yes, with the problems"))
    if bases:
        held = "yes, with the problems; all gains of a policy share these answers"
        sources.append(Source("Draw of an untrained policy’s answers", _times(bases), held))
    return sources


def _matrices(content: Content) -> list[AnswerMatrix]:
    matrices = map(content.scores.answers, content.scores.evaluations(primary=True))
    return [matrix for matrix in matrices if matrix is not None]


def _times(draws: Sequence[int]) -> str:
    low, high = min(draws), max(draws)
    if high == 1:
        return "each problem answered once"
    return f"each problem answered {span([low, high])} times"


def _seeds(content: Content, arms: Sequence[Arm]) -> Source:
    members = families(arms)
    trained = (tuple(sorted({arm.seed for arm in repeats})) for repeats in members)
    by_seeds = Counter(own for own in trained if len(own) > 1)
    if not by_seeds:
        seeds = sorted({arm.seed for arm in arms})
        told = f"{NOT}: one seed ({listed(seeds)}) per family of arms" if seeds else "no trained arms"
        held = "only as part of the draws’ variance" if any(run_df(content)) else "no"
        return Source("Training seed", told, held)
    parts = [f"{listed(own)} in {number}" for own, number in by_seeds.most_common()]
    told = f"seeds {'; '.join(parts)} of {len(members)} families of arms"
    if not by_seed(arms):
        return Source("Training seed", f"{told}, each on a draw of traces of its own", "yes, with the draw of traces")
    degrees = [variance.seeds.df if variance.seeds else 0 for variance in _runs(content)]
    return Source("Training seed", told, f"yes, for every trained arm, {_pooled(degrees)}")


def _random_draws(content: Content, arms: Sequence[Arm]) -> list[Source]:
    drawn = [arm for arm in arms if selection_of(arm).kind == "random"]
    if not drawn:
        return []
    counts = [len({selection_of(arm).seed for arm in repeats}) for repeats in families(drawn, merge_draws=True)]
    sizes = sorted({k for arm in drawn if (k := selection_of(arm).k) is not None})
    if max(counts) == 1:
        return [Source("Random draw of pairs", f"{NOT}: one draw of {listed(sizes)} pairs", "no")]
    degrees = [variance.draws.df if variance.draws else 0 for variance in _runs(content)]
    told = f"{span(counts)} draws of {listed(sizes)} pairs"
    return [Source("Random draw of pairs", told, f"yes, for arms that train on one, {_pooled(degrees)}")]


def _pooled(degrees: Sequence[int]) -> str:
    return f"pooled over families: {span(degrees)} degrees of freedom in each panel"


def _runs(content: Content) -> list[RunVariance]:
    """The variance between runs, of the panels whose arms were repeated."""
    variances = (content.scores.run_variance(panel.evaluations) for panel in panels(content))
    return [variance for variance in variances if variance is not None]


def _orders(content: Content) -> dict[tuple[str, str], set[Any]]:
    """(pairing, selection by delta) -> (draw of traces, order of equal deltas) of the filter jobs that selected so."""
    orders: dict[tuple[str, str], set[Any]] = {}
    for job in content.jobs:
        name = job.manifest.settings.get("selection") if job.stage == "filter" else None
        if name and parse_selection(name).DRAWS_TIES:
            pairing = Pairing.parse(job.name.partition("/")[0])
            order = pairing.draw, job.manifest.settings.get("order", 0)
            orders.setdefault((str(pairing.undrawn), name), set()).add(order)
    return orders


def _tie_orders(orders: Mapping[tuple[str, str], set[Any]]) -> Source:
    several = [len(drawn) for drawn in orders.values() if len(drawn) > 1]
    if not several:
        told = f"{NOT}: one order for each of {len(orders)} selections by delta"
        return Source(TIE_ORDER, told, "no")
    where = f"{len(several)} of {len(orders)} selections by delta"
    told = f"{span(several)} orders, drawn with the {_drawn_with(orders)}s, for {where}"
    return Source(TIE_ORDER, told, f"yes, as part of the {_drawn_with(orders)}’s variance")


def _drawn_with(orders: Mapping[tuple[str, str], set[Any]]) -> str:
    """With what orders of equal deltas are drawn: another draw of traces has other pairs, so another order."""
    return "run" if any(draw for drawn in orders.values() for draw, _ in drawn) else "training seed"


def _judge(content: Content) -> list[Source]:
    jobs = [(job.name.partition("/")[2], job.manifest.settings) for job in content.jobs if job.stage == "judge"]
    settings = [its for form, its in jobs if judge_in(form) is None]
    others = sorted({name for form, _ in jobs if (name := judge_in(form)) is not None})
    if not settings:
        return []
    votes = [int(one.get("votes", 1)) for one in settings]
    often = "once" if max(votes) == 1 else f"by {span(votes)} votes"
    told = f"each trace judged {often}"
    forms = {frozenset(dimensions) for dimensions in _forms(content, "forms").values()}
    again = {
        name
        for name, asked in _forms(content, "compared").items()
        if frozenset(asked) in forms and judge_in(name) is None
    }
    prompts = [one["prompts"] for one in settings if one.get("form") in again and one.get("prompts")]
    if again:
        told += f"; judged again, with another seed, on {span(prompts) if prompts else 'some'} prompts"
    held = "no: every selection rests on one judging; mean deltas hold it with their pairs"
    models = sorted({model for one in settings if (model := (one.get("engine") or {}).get("model"))})
    sources = [Source(JUDGE_DRAW, told, held)]
    if others:
        told = f"the study’s own ({listed(models)}), and on some pairings {listed(others)}"
        sources.append(Source("Judge", told, "no: a selection is by one judge"))
    elif models:
        sources.append(Source("Judge", _one_of("judge", models), "no"))
    return sources


def _forms(content: Content, key: str) -> Mapping[str, Sequence[str]]:
    return content.settings.get(key) or {}


def _traces(content: Content, arms: Sequence[Arm]) -> list[Source]:
    settings = [job.manifest.settings for job in content.jobs if job.stage == "generate"]
    if not settings:
        return []
    samples = [int(one["samples"]) for one in settings if one.get("samples")]
    own = f"; {span(samples)} traces per prompt" if samples else ""
    members = families(arms)
    several = [n for repeats in members if (n := len({arm.draw for arm in repeats})) > 1]
    if not several:
        return [Source(TRACE_DRAW, f"{NOT}: drawn once{own}", "no")]
    told = f"{span(several)} draws in {len(several)} of {len(members)} families of arms{own}"
    degrees = [variance.traces.df if variance.traces else 0 for variance in _runs(content)]
    return [Source(TRACE_DRAW, told, f"yes, for every trained arm, {_pooled(degrees)}")]


def _policies(arms: Sequence[Arm]) -> list[Source]:
    counts = Counter(repeats[0].policy for repeats in families(arms))
    if not counts:
        return []
    if len(counts) == 1:
        return [Source("Policy", _one_of("policy", list(counts)), "no")]
    parts = [f"{policy} in {number}" for policy, number in counts.most_common()]
    shared = _under_every_policy(families(arms), len(counts))
    told = f"{', '.join(parts)} families of arms; {shared} of these arms trained from every policy"
    return [Source("Policy", told, "no: a number is of one policy")]


def _under_every_policy(members: Iterable[Repeats], policies: int) -> int:
    """How many arms were trained from all policies."""
    firsts = (repeats[0] for repeats in members)
    counts = Counter((arm.pairing.undrawn, without_draw(arm), arm.recipe) for arm in dict.fromkeys(firsts))
    return sum(number >= policies for number in counts.values())


def _generators(content: Content) -> list[Source]:
    made = (job.manifest.typed_settings.generator for job in content.jobs if job.stage == "generate")
    names = {undrawn(name) for name in made if name}
    told = f"{NOT}: {len(names)} generators, each of them one trained model"
    return [Source("Training of a generator", told, "no")] if names else []


def _one_of(what: str, names: Sequence[str]) -> str:
    return f"{NOT}: one {what} ({names[0]})" if len(names) == 1 else listed(names)
