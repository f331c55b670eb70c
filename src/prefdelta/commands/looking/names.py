"""The names of traces, pairs, arms and benchmark items, as people give them. A unique beginning of an id is enough."""

from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass

from prefdelta.commands.looking.results import Results, unknown
from prefdelta.core.arms import Arm, Base, Pairing, parse_arm
from prefdelta.core.errors import StudyError
from prefdelta.core.stage_names import TRAINING_PROMPTS
from prefdelta.records.pair import Pair
from prefdelta.records.prompt import Prompt
from prefdelta.records.trace import Trace
from prefdelta.reporting.arms import pairing_at, without_draw

TRACE_FORM = "<generator>/<prompt_id>/<sample>"
_SHOWN = 5


@dataclass(frozen=True, slots=True)
class TraceName:
    generator: str
    prompt_id: str
    sample: int

    def __str__(self) -> str:
        return f"{self.generator}/{self.prompt_id}/{self.sample}"


def find_trace(results: Results, name: str) -> TraceName:
    """A trace of the study. The sample may be left out: it is 0 then. Raises StudyError if there is no such trace."""
    generator, *rest = name.split("/")
    if len(rest) not in (1, 2):
        raise StudyError(f"{name!r} is not the name of a trace; they read {TRACE_FORM}.")
    if generator not in results.study.generators:
        raise unknown("generator", generator, list(results.study.generators))
    table = results.tables.arrow("generate", Trace, ["prompt_id", "sample"], generator=generator)
    prompt_id = _whole_id(rest[0], table.column("prompt_id").to_pylist(), f"the prompts of {generator}'s traces")
    samples = [row["sample"] for row in table.to_pylist() if row["prompt_id"] == prompt_id]
    sample = rest[1] if len(rest) == 2 else "0"
    if not sample.isdecimal() or int(sample) not in samples:
        raise StudyError(
            f"{name!r}: {generator} has no sample {sample!r} for the prompt {prompt_id}; it has "
            f"{', '.join(map(str, sorted(samples)))}."
        )
    return TraceName(generator, prompt_id, int(sample))


def read_trace(results: Results, name: TraceName) -> Trace:
    where = {"prompt_id": name.prompt_id, "sample": name.sample}
    (trace,) = results.tables.rows("generate", Trace, where, generator=name.generator)
    return trace


def read_prompt(results: Results, prompt_id: str, source: str = TRAINING_PROMPTS) -> Prompt:
    """Raises StudyError if the source has no such prompt."""
    found = results.tables.rows("prompts", Prompt, {"prompt_id": prompt_id}, source=source)
    if not found:
        raise StudyError(f"{results.tables.path('prompts', source=source)}: has no prompt {prompt_id}.")
    return found[0]


def find_pairing(results: Results, name: str) -> Pairing:
    """A pairing of the study, formed or not yet. Raises StudyError if there is none of this name."""
    allowed = [str(Pairing(job.axes["chosen"], job.axes["rejected"])) for job in results.study.jobs("pair")]
    if name not in allowed:
        raise unknown("pairing", name, allowed)
    return Pairing.parse(name)


def find_pair(results: Results, name: str) -> tuple[Pairing, Pair]:
    """A pair by `<pair_id>` or `<pairing>/<pair_id>`. Raises StudyError if there is none, or if several fit."""
    before, _, beginning = name.rpartition("/")
    asked = find_pairing(results, before) if before else None
    axes = asked.axes if asked else {}
    places = list(results.tables.places("pair", **axes))
    if not places:
        path = f"{results.study.results}/pair{f'/{asked}' if asked else ''}"
        raise StudyError(f"{path}: there are no pairs yet. `prefdelta status` says how far the study is.")
    found = [
        (pairing_at(place), pair_id)
        for place in places
        for pair_id in results.tables.arrow("pair", Pair, ["pair_id"], **place.axes).column("pair_id").to_pylist()
        if pair_id.startswith(beginning)
    ]
    if len(found) != 1:
        listed = [f"{pairing}/{pair_id}" for pairing, pair_id in found]
        where = str(asked) if asked else f"{len(places)} pairings"
        raise _not_one(f"the pairs of {where}", beginning, listed)
    ((pairing, pair_id),) = found
    (pair,) = results.tables.rows("pair", Pair, {"pair_id": pair_id}, **pairing.axes)
    return pairing, pair


def find_arms(results: Results, name: str) -> tuple[Arm, ...] | Base:
    """An arm; all repeats of a family, if the name has no seed; or an untrained policy, as `<policy>/base`.

    A family's name may leave out the seed of a random selection too (`random-700`): then its draws are repeats. Raises
    StudyError if the study has no such arm.
    """
    arms = results.study.arms
    names: dict[str, list[Arm]] = {}
    for arm in arms:
        families = {
            f"{arm.policy}/{pairing}/{selection}/{arm.recipe}"
            for pairing in (arm.pairing, arm.pairing.undrawn)
            for selection in (arm.selection, without_draw(arm))
        }
        for known in (str(arm), *sorted(families)):
            names.setdefault(known, []).append(arm)
    if name in names:
        return tuple(sorted(names[name], key=lambda arm: (arm.draw, arm.seed, arm.selection)))
    bases = {str(base): base for base in bases_of(results)}
    if name in bases:
        return bases[name]
    policy, _, degrees = name.partition("/base@")
    with suppress(ValueError):
        if (written := str(Base(policy, float(degrees)))) != name:
            raise StudyError(f"{name!r}: its temperature is written as in {written}.")
    if "/" in name and name.split("/")[-1].startswith("base"):
        parse_arm(name)  # says what is wrong with its form
    raise unknown("arm", name, [*names, *bases])


def bases_of(results: Results) -> list[Base]:
    """The untrained policies that are evaluated, at all temperatures."""
    evaluated = (arm for job in results.study.jobs("evaluate") for arm in job.arms)
    return list(dict.fromkeys(arm for arm in evaluated if isinstance(arm, Base)))


def find_group(results: Results, name: str) -> str:
    """A group of `evaluate`. Raises StudyError if the study has none of this name."""
    groups = results.study.config.evaluate.groups
    if name not in groups:
        raise StudyError(f"--group: the study has no group {name!r}; it has {', '.join(groups)}.")
    return name


def find_item(results: Results, name: str) -> Prompt:
    """A benchmark's item by `<benchmark>/<prompt_id>`. Raises StudyError if there is none, or if several fit."""
    benchmark, slash, beginning = name.partition("/")
    if not slash:
        raise StudyError(f"{name!r} is not the name of a benchmark's item; they read <benchmark>/<prompt_id>.")
    if benchmark not in results.study.config.benchmarks:
        raise unknown("benchmark", benchmark, list(results.study.config.benchmarks))
    ids = results.tables.arrow("prompts", Prompt, ["prompt_id"], source=benchmark).column("prompt_id").to_pylist()
    return read_prompt(results, _whole_id(beginning, ids, f"the items of {benchmark}"), benchmark)


def _whole_id(beginning: str, ids: Collection[str], among: str) -> str:
    """The one id that begins so, or is it. Raises StudyError if there is none, or if several do."""
    found = sorted({whole for whole in ids if whole.startswith(beginning)})
    if beginning in found:
        return beginning
    if len(found) != 1:
        raise _not_one(among, beginning, found)
    return found[0]


def _not_one(among: str, beginning: str, found: list[str]) -> StudyError:
    if not found:
        return StudyError(f"no id among {among} begins with {beginning!r}.")
    more = " ..." if len(found) > _SHOWN else ""
    return StudyError(
        f"{len(found):,} ids among {among} begin with {beginning!r}. Give more of it: {', '.join(found[:_SHOWN])}{more}"
    )
