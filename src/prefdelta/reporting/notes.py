"""The notes of figures and tables, made from their numbers."""

from collections.abc import Sequence

from prefdelta.reporting.arm_tables import AgainstRandom, overview
from prefdelta.reporting.arms import families
from prefdelta.reporting.captions import PAIRED, PAIRED_ARMS, caption
from prefdelta.reporting.content import Content
from prefdelta.reporting.evidence import ExperimentArms
from prefdelta.reporting.formats import count, listed
from prefdelta.reporting.numbers.drift import DriftCheck
from prefdelta.reporting.numbers.generators import source_lines
from prefdelta.reporting.numbers.jobs.ladder import ladder
from prefdelta.reporting.numbers.jobs.upstream import upstream_lines
from prefdelta.reporting.numbers.replication import run_df
from prefdelta.reporting.panels import panel_gain, panel_place, panels


def experiment_caption(content: Content, experiment: ExperimentArms) -> str:
    """What the gains of an experiment's figure rest on."""
    shown = content.with_controls(experiment).arms
    members = families(shown, merge_draws=experiment.figure == "filtering")
    shown_panels = panels(content)
    gains = [panel_gain(content.scores, repeats, panel) for panel in shown_panels for repeats in members]
    temperatures = dict.fromkeys(panel_place(content, panel).at for panel in shown_panels)
    told = caption(gains, arms=shown, paired=PAIRED)
    return f"{listed(temperatures)}; {told}" if temperatures else told


def against_caption(content: Content, experiment: ExperimentArms, rows: Sequence[AgainstRandom]) -> str:
    """What the differences between selections and random ones rest on."""
    arms = content.with_controls(experiment).arms
    told = caption([one for row in rows for one in row.estimates], arms=arms, paired=PAIRED_ARMS)
    return f"{rows[0].common}. {told}" if rows else told


def one_seed(content: Content) -> str:
    """How the interval of an arm with one seed can hold runs; empty if it cannot, or if all arms were repeated."""
    members = families(content.all_arms())
    single = sum(len(repeats) == 1 for repeats in members)
    if not single or not any(run_df(content)):
        return ""
    return (
        f"{count(single)} of {count(len(members))} families of arms ran with one seed; their intervals hold the "
        "variance between runs that the repeated arms show."
    )


def captions(content: Content, drift: DriftCheck) -> dict[str, str]:
    """The notes of the tables and figures that are no experiment's, by name."""
    deltas, grades = content.pairings.lines(), content.grades.lines()
    lengths = content.pairings.lengths()
    gaps = [content.grades.gap(pairing) for pairing in dict.fromkeys(line.pairing for line in deltas)]
    lines = [line for row in overview(content) for line in row.lines]
    drifts = [found.line for found in drift.lines]
    upstream, sources = upstream_lines(content.jobs), source_lines(content.jobs)
    windows = [w for line in ladder(content.jobs) for kept in (line.kept, *line.rejected) for w in kept.windows]
    agreed = [one for line in content.agreements for one in (line.exact, line.within_one, line.difference, line.kappa)]
    held = content.reliability
    audit = content.graders
    judged = [one for line in (audit.agreements if audit else ()) for one in (line.ours, line.theirs, line.kappa)]
    marked = audit.marked if audit else []
    by_people = [
        one
        for line in content.people
        for one in (line.with_judge.kappa, line.among.kappa, line.people_mean, line.corrected_mean)
    ]
    by_prompt = caption(gaps, paired="chosen and rejected traces are paired by prompt", unit="prompts")
    of_draw = ", in draw 0 of the traces" if any(arm.draw for arm in content.all_arms()) else ""
    shared = f"the sides of a pair share their prompt{of_draw}"
    by_pair = caption([line.mean for line in deltas], paired=shared, unit="pairs")
    return {
        "overview": caption(
            [line.difference for line in lines], arms=[arm for line in lines for arm in line.arms], paired=PAIRED
        ),
        "drift": caption(
            [line.difference for line in drifts], arms=[arm for line in drifts for arm in line.arms], paired=PAIRED
        ),
        "upstream": caption([one for line in upstream for one in (line.ours, line.theirs)], unit="answers"),
        "graders": caption(judged),
        "grader_gains": caption(
            [gain for line in marked for gain in line.gains.values()],
            arms=[arm for line in marked for arm in line.arms],
            paired=PAIRED,
        ),
        "generators": caption([line.accuracy for line in grades], unit="prompts"),
        "sources": caption([line.agreement for line in sources], unit="traces"),
        "gaps": by_prompt,
        "gap_figure": f"Across: {by_prompt} Up: {by_pair}",
        "deltas": by_pair,
        "lengths": caption(
            [*(one for line in lengths for one in (line.difference, line.longer)), *(d.with_length for d in deltas)],
            unit="pairs",
        ),
        "agreements": caption(agreed, unit="prompts"),
        "reliability": caption([one for line in held.deltas for one in (line.correlation, line.slope)], unit="pairs"),
        "sets": caption(
            [
                one
                for line in held.sets
                for one in (line.not_taken, line.jaccard, line.judged, line.corrected, line.again)
            ],
            unit="pairs",
        ),
        "validity": caption([one for line in held.validity for one in (line.plain, line.given_length)], unit="pairs"),
        "people": caption(by_people, unit="pairs"),
        "ladder": caption([window.accuracy for window in windows], unit="problems"),
    }
