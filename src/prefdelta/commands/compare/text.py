"""A comparison for people: a table in points, verdicts in words, and the problems that changed."""

from pathlib import Path

from prefdelta.commands.compare.contrasts import ComparedSide, ComparisonDocument, Contrast
from prefdelta.commands.looking.answers import interval, share
from prefdelta.commands.output import Column, print_facts, print_heading, print_line, print_table
from prefdelta.commands.study_options import command_line
from prefdelta.commands.text_table import wrapped
from prefdelta.reporting import formats

_LONG = 60  # characters of a problem that a line shows


def print_comparison(document: ComparisonDocument, configfile: Path | None) -> None:
    """configfile: as it was given, for the command that is printed."""
    print_facts({"first": _side(document.first), "second": _side(document.second)})
    print_heading("first minus second, in percentage points; accuracies and truncated answers in percent")
    print_table(
        [
            Column("on", lambda row: row.over),
            Column("first", lambda row: share(row.first), right=True),
            Column("second", lambda row: share(row.second), right=True),
            Column("difference", lambda row: interval(row.difference), right=True),
            Column("problems", lambda row: formats.count(row.difference.n), right=True),
            Column("won/lost", lambda row: f"{row.won:,}/{row.lost:,}", right=True),
            Column(
                "truncated",
                lambda row: f"{formats.percent(row.first_truncated)}/{formats.percent(row.second_truncated)}",
                True,
            ),
        ],
        document.contrasts,
    )
    print_line()
    for contrast in document.contrasts:
        print_line(_sentence(contrast))
        counted = {*contrast.first_arms, *contrast.second_arms}
        if missing := [arm for arm in (*document.first.arms, *document.second.arms) if arm not in counted]:
            print_line(wrapped(f"{contrast.over}: without {', '.join(missing)}, not evaluated there yet."))
    print_line(wrapped(document.rule))
    if len(document.contrasts) > 1:
        print_line(wrapped("Of lines without any true difference, about one in twenty excludes 0 by luck alone."))
    for change, words in (("won", "that the first solves more often"), ("lost", "that the second solves more often")):
        found = [item for item in document.items if item.change == change]
        if found:
            print_heading(f"items {words}: share of right answers, and the answers")
            print_table(
                [
                    Column("item", lambda row: row.item),
                    Column("group", lambda row: row.group),
                    Column("first", lambda row: f"{row.first:.2f} ({_answers(row.first_answers)})"),
                    Column("second", lambda row: f"{row.second:.2f} ({_answers(row.second_answers)})"),
                    Column("problem", lambda row: _cut(row.problem)),
                ],
                found,
            )
    if document.items:
        first = document.items[0]
        arm = next(
            contrast.first_arms[0]
            for contrast in document.contrasts
            if first.group in contrast.groups and first.item.partition("/")[0] in contrast.benchmarks
        )
        print_line(f"whole: {command_line(configfile, 'show', 'item', first.item, '--arm', arm)}")


def _side(side: ComparedSide) -> str:
    arms = f": the mean over {len(side.arms)} ({', '.join(side.arms)})" if side.arms != [side.name] else ""
    waiting = f"; not evaluated yet: {', '.join(side.not_evaluated)}" if side.not_evaluated else ""
    return f"{side.name}{arms}{waiting}"


def _sentence(contrast: Contrast) -> str:
    difference = f"{interval(contrast.difference)} points"
    match contrast.verdict:
        case "better" | "worse":
            return f"{contrast.over}: the first is {contrast.verdict}, by {difference}."
        case "not told apart":
            smallest = formats.percent(contrast.smallest_effect)
            these = "problems and runs" if contrast.difference.run_df else "problems"
            return (
                f"{contrast.over}: not told apart, {difference}. With these {these}, a true difference of "
                f"{smallest} points is told apart in 80% of such studies."
            )
        case _:
            return f"{contrast.over}: not known; one of the two has no answers yet, or too few for an interval."


def _answers(answers: list[str]) -> str:
    return ", ".join(answer or formats.NONE for answer in answers)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONG else f"{line[: _LONG - 1]}…"
