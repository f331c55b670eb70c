"""A plan for a person, on one screen."""

from collections import Counter
from collections.abc import Sequence

from prefdelta.commands.output import format_bytes
from prefdelta.commands.planning.amounts import BASES, Amount, Basis
from prefdelta.commands.planning.dollars import ASSUMPTIONS
from prefdelta.commands.planning.price import Price
from prefdelta.commands.planning.summary import Cause, Plan
from prefdelta.commands.text_table import table, wrapped
from prefdelta.reporting.worlds.power import SmallestEffect

MOST_CAUSES = MOST_TIES = 15
_ABOUT_CLAIMS = "--claims: what each claim of the paper costs, and the smallest true effect that it could see"
_MEANINGS = {
    Basis.COUNTED: "counted: made and looked up in the record",
    Basis.STANDING: "as it stands: counted, if what is made anew above comes out the same",
    Basis.MEASURED: "measured: means of finished jobs",
    Basis.ESTIMATED: "estimated: from the numbers of prompts, samples and pairs in the config",
    Basis.ASSUMED: "assumed: by figures of compute.<stage> and of benchmarks that nothing has measured yet",
    Basis.AT_MOST: "at most: an upper bound, of pairs or of what the record may hold already",
    Basis.AT_LEAST: "at least: a part of it is not known",
}


def text(plan: Plan, claims: bool = False) -> str:
    """claims: also what each claim could see, and what it costs."""
    if not plan.jobs:
        lines = [f"study {plan.study}: nothing to do: every output is there and up to date"]
        return "\n\n".join("\n".join(part) for part in [[*lines, *_notes(plan)], _ties(plan)] if part)
    head = [
        f"study {plan.study}: {plan.jobs:,} jobs would run",
        f"as SLURM jobs: {plan.jobs:,}, of which {plan.gpu_jobs:,} ask for GPUs",
    ]
    remarks = [*_dollars(plan), *_disk(plan), *_notes(plan)]
    parts = [head, _table(plan), _causes(plan), _ties(plan), remarks, _legend(plan)]
    parts.insert(3, _power(plan) if claims else [_ABOUT_CLAIMS])
    return "\n\n".join("\n".join(part) for part in parts if part)


def _table(plan: Plan) -> list[str]:
    kinds = {"gpu_hours": "GPU-hours", "core_hours": "core-hours", "usd": "USD"}
    hours = [name for name in kinds if any(getattr(stage, name).value for stage in plan.stages)]
    rows = [["stage", "jobs", "missing", "tokens", *(kinds[name] for name in hours)]]
    for stage in plan.stages:
        asked = ["", ""]
        if stage.unit:
            asked = [f"{stage.missing.value:,.0f} {stage.unit} {_known(stage.missing)}", _large(stage.tokens)]
        rows.append([stage.name, f"{stage.jobs:,}", *asked, *(_hours(getattr(stage, name)) for name in hours)])
    sums = [_large(plan.sum_of("tokens")), *(_hours(plan.sum_of(name)) for name in hours)]
    rows.append(["total", f"{plan.jobs:,}", "", *sums])
    return table(rows, right=range(1, len(rows[0])))


def _large(amount: Amount) -> str:
    """A large number for a person."""
    value, unit = amount.value, ""
    for unit in ("", " k", " M", " G"):
        if value < 999.5 or unit == " G":
            break
        value /= 1000
    return f"{value:,.0f}{unit} {_known(amount)}" if value >= 10 or not unit else f"{value:.2g}{unit} {_known(amount)}"


def _hours(amount: Amount) -> str:
    if not amount.value:
        return "not known" if amount.basis == Basis.AT_LEAST else ""
    if amount.value < 0.001:
        return f"<0.001 {_known(amount)}"
    return f"{amount.value:,.0f} {_known(amount)}" if amount.value >= 10 else f"{amount.value:.2g} {_known(amount)}"


def _known(amount: Amount) -> str:
    return BASES[amount.basis]


def _causes(plan: Plan) -> list[str]:
    shown = [wrapped(_cause(why), "  ") for why in plan.why[:MOST_CAUSES]]
    left = len(plan.why) - len(shown)
    return ["why", *shown, *([f"  ... and {left} more causes (--json has all)"] if left else [])]


def _cause(why: Cause) -> str:
    parts = [_counts(why.own)] if why.own else []
    if why.below:
        parts.append(f"{'and ' if why.own else ''}what stands on it: {_counts(why.below)}")
    return f"{why.cause}: {'; '.join(parts)}"


def _counts(jobs: Counter[str]) -> str:
    return ", ".join(f"{stage} {count:,}" for stage, count in jobs.items())


def _ties(plan: Plan) -> list[str]:
    """The selections over the limit, those with the largest drawn share first."""
    over = sorted(plan.ties.over, key=lambda one: -one.counts.drawn_share)
    if not over:
        return []
    rows = [["selection", "pairing", "k", "cut", "above", "tied", "drawn", "share"]]
    for one in over[:MOST_TIES]:
        counts = one.counts
        numbers = [f"{number:,}" for number in (counts.above, counts.tied, counts.drawn)]
        rows.append(
            [one.selection, one.pairing, f"{counts.k:,}", f"{counts.cut:+.4g}", *numbers, f"{counts.drawn_share:.0%}"]
        )
    left = len(over) - MOST_TIES
    head = (
        f"drawn among pairs of equal delta, more than {plan.ties.limit:.0%} (filter.max_drawn_share); it stops nothing"
    )
    return [head, *table(rows, right=range(2, len(rows[0]))), *([f"  ... and {left} more"] if left > 0 else [])]


def _dollars(plan: Plan) -> list[str]:
    account, usd = plan.account, plan.sum_of("usd")
    if account is None:
        return []
    limit = "no limit_usd" if account.limit is None else f"limit_usd {account.limit:,.2f}"
    about = f"about {usd.value:,.2f} USD for {account.model} ({_known(usd)}), by {account.prices}"
    lines = [f"dollars: {about}; {account.spent:,.2f} USD are spent or set aside; {limit}", f"  assumed: {ASSUMPTIONS}"]
    if account.limit is not None and account.spent + usd.value > account.limit:
        lines.append(
            "warning: the limit would be reached before all is judged. Raise judge.engine.limit_usd, or ask less."
        )
    return [wrapped(line) for line in lines]


def _disk(plan: Plan) -> list[str]:
    disk = plan.disk
    parts = [
        f"{format_bytes(amount.value)} {what} ({_known(amount)})"
        for amount, what in (
            (disk.policies, "for policies"),
            (disk.snapshots, "for snapshots, of each training that goes on at the same time"),
            (disk.replies, "for replies"),
        )
        if amount.value
    ]
    lines = [wrapped(f"disk: {', '.join(parts) or 'next to nothing'}; {format_bytes(disk.free)} are free")]
    if not disk.fits:
        remedy = "Between runs, `prefdelta gc --evaluated-policies` removes policies that have their scores."
        lines.append(wrapped(f"warning: {format_bytes(disk.needed.value)} do not fit at once. {remedy}"))
    return lines


def _power(plan: Plan) -> list[str]:
    """A line for the numbers of a claim that have one unit; the first has the claim's price."""
    prices, shown = plan.prices, [*plan.prices.claims.values(), plan.prices.rest]
    priced = any(price.hours.value for price in shown)
    heads = ["arms", prices.unit, "alone"] if priced else []
    rows = [["claim", *heads, "numbers", "smallest effect", "named", "unit"]]
    for claim, lines in plan.power.effects.items():
        price = _price(prices.claims[claim]) if priced else []
        for unit in dict.fromkeys(line.unit for line in lines):
            alike = [line for line in lines if line.unit == unit]
            named = {f"{line.named:g}" for line in alike}
            rows.append([claim, *price, str(len(alike)), _smallest(alike), ", ".join(sorted(named)), unit])
            price = [""] * len(heads)
        if not lines:
            rows.append([claim, *[""] * (len(heads) + 1), "not run", "", ""])
    if priced:
        rows.append(["no claim", *_price(prices.rest), "", "", "", ""])
    usual = {name: value for name, value, _, _ in plan.power.assumptions.lines()}
    about = (
        "power: the smallest true effect that 80% of such studies see at 95%, as a range over a claim's numbers, if "
        f"runs vary by {usual['run_sd']} points, problems by {usual['difficulty_spread']} logits and base accuracies "
        f"are {usual['base_accuracy']} (assumed; `prefdelta worlds` prints every assumption)"
    )
    shown_lines = [wrapped(about), *(f"  {line}" for line in table(rows, right=range(1, len(heads) + 2)))]
    if priced:
        sums = (
            f"price: {prices.unit} that a claim's arms would take, from their traces to their scores; alone: what "
            f"nothing else needs, so what is saved without it. All claims together: {_hours(prices.together)}; what "
            f"several share is {_hours(prices.shared) or 'nothing'} more in the rows above"
        )
        shown_lines.append(wrapped(sums, "  "))
    return shown_lines


def _price(price: Price) -> list[str]:
    return [f"{price.arms:,}", *(f"{amount.value:,.0f}" for amount in (price.hours, price.alone))]


def _smallest(lines: Sequence[SmallestEffect]) -> str:
    known = sorted(line.effect for line in lines if line.effect is not None)
    if len(known) < len(lines):
        return "not known"
    ends = dict.fromkeys(f"{value:.2g}" for value in (known[0], known[-1]))
    return " to ".join(ends)


def _notes(plan: Plan) -> list[str]:
    return [wrapped(f"note: {note}") for note in plan.notes]


def _legend(plan: Plan) -> list[str]:
    shown = [amount for stage in plan.stages if stage.unit for amount in (stage.missing, stage.tokens)]
    shown += [
        amount for stage in plan.stages for amount in (stage.gpu_hours, stage.core_hours, stage.usd) if amount.value
    ]
    return [_MEANINGS[basis] for basis in sorted({amount.basis for amount in shown})]
