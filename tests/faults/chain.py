"""Chains of kills over a small study, started from outside as a person would:

    PYTHONPATH=tests python -m faults.chain --chains 10 --kills 10 [--seed N] [--only CHAIN]

A chain starts the same plain command again and again, kills it at random moments in random ways, and lets the last run
finish. The result must then be that of an undisturbed run. All is drawn from the seed, in shares of the seconds that
the undisturbed run took; a failure tells how to replay it and leaves its folder.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from random import Random, SystemRandom
from statistics import median

from faults.checks import faults_in, final_tables
from faults.study import RESULTS, copy_source, make_checkout
from faults.watching import MARK, TICK, StageProcess, Watch, processes_of

KILL_ALL, KILL_SNAKEMAKE, TERM_ALL, INTERRUPT = "SIGKILL to all", "SIGKILL to Snakemake", "SIGTERM to all", "Ctrl-C"
SIGNALS = {
    KILL_ALL: signal.SIGKILL,
    KILL_SNAKEMAKE: signal.SIGKILL,
    TERM_ALL: signal.SIGTERM,
    INTERRUPT: signal.SIGINT,
}
SECONDS_TO_END = {KILL_ALL: 1.0, KILL_SNAKEMAKE: 5.0, TERM_ALL: 10.0, INTERRUPT: 10.0}
SECONDS_LOST = 10.0  # of a job's work, at most, by one kill
TOLERANCE = 1.0  # seconds, of all these measurements
SOONER = 0.8  # a moment that came after the end of a run, for the next
FIRST_MOMENT = 1.5  # seconds after the start, before which nothing is killed
MEANINGFUL = 40  # kills, of which some must hit a job that has worked for LONG_WORK
LONG_WORK = 5.0  # seconds of work, from which on a kill hits a job in its middle
STEADY = ("ladder", "generate")  # stages that publish something at every signal, once they have worked for a while
STEADY_AFTER = 3.0  # seconds of work that is not yet on disk


class ChainError(Exception):
    """A chain went wrong."""


@dataclass
class Kill:
    """One kill, and what was seen of it."""

    kind: str
    moment: float  # seconds after the run's start
    at_once: bool  # whether the next run starts while the killed one's jobs still live (KILL_SNAKEMAKE only)
    stages: list[str] = field(default_factory=list)  # that ran
    lost: float = 0.0  # seconds of work that no publication holds: the job that lost most
    worked: float = 0.0  # seconds of work of the job that had worked longest
    seconds_to_end: float = 0.0

    def __str__(self) -> str:
        hit = ", ".join(self.stages) or "no job"
        ending = " (next run at once)" if self.at_once else ""
        return (
            f"{self.kind} after {self.moment:.1f} s{ending}: {hit}; longest at work {self.worked:.1f} s, "
            f"lost {self.lost:.1f} s; all ended in {self.seconds_to_end:.1f} s"
        )


def draw_kills(seed: int, chain: int, chains: int, kills: int, seconds: float) -> list[Kill]:
    """The kills of one chain. seconds: what the study takes undisturbed.

    The first one comes anywhere in the study, in another part of it for every chain; the others soon after a start.
    """
    random = Random(f"{seed} {chain}")
    kinds = [kind for _, kind in zip(range(kills), _cycle(list(SIGNALS)), strict=False)]
    random.shuffle(kinds)
    drawn = []
    for number, kind in enumerate(kinds):
        until = seconds / 4 if number else 0.9 * seconds
        share = random.random() if number else (chain - 1 + random.random()) / chains
        at_once = kind == KILL_SNAKEMAKE and random.random() < 0.5
        drawn.append(Kill(kind, FIRST_MOMENT + share * (until - FIRST_MOMENT), at_once))
    return drawn


def _cycle(kinds: list[str]) -> Iterator[str]:
    while True:
        yield from kinds


class Run:
    """One start of the plain command in a checkout."""

    _numbers = count(1)

    def __init__(self, checkout: Path, source: Path) -> None:
        number = next(self._numbers)
        self.mark = f"{os.getpid()}-{number}"
        self.output = checkout / f"run-{number:03d}.log"
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        environment |= {"PYTHONPATH": str(source / "src"), "HOME": str(checkout), "CUDA_VISIBLE_DEVICES": ""}
        with self.output.open("wb") as output:
            self.process = subprocess.Popen(
                [str(Path(sys.executable).with_name("snakemake")), "--profile", "mini"],
                cwd=checkout,
                env={**environment, MARK: self.mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a group of its own, to be killed without us
                preexec_fn=listen_to_ctrl_c,
            )
        self.started = time.monotonic()
        self.watch = Watch(self.mark, checkout)
        self.killed_at = 0.0  # as time.time() gives it
        self.at_work: list[StageProcess] = []  # when it was killed

    def seconds(self) -> float:
        return time.monotonic() - self.started

    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def kill(self, kill: Kill) -> None:
        kill.stages = self.watch.stages()
        self.at_work = self.watch.look()
        self.killed_at = time.time()
        if kill.kind == KILL_SNAKEMAKE:
            self.process.kill()
        else:
            os.killpg(self.process.pid, SIGNALS[kill.kind])

    def remains(self) -> list[int]:
        """Its processes that live."""
        return processes_of(self.mark) + ([] if self.has_ended() else [self.process.pid])

    def end(self) -> None:
        """Leave nothing of it alive."""
        for pid in self.remains():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.wait()


def listen_to_ctrl_c() -> None:
    """In a process that is about to be started."""
    # A shell that starts something in the background has it ignore SIGINT, and that is inherited.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Chain:
    """One chain of kills in a checkout of its own."""

    def __init__(self, source: Path, checkout: Path, expected: dict[str, str], seconds: float) -> None:
        """expected, seconds: the tables of the undisturbed study, and what it took."""
        self._source, self._checkout = source, make_checkout(source, checkout)
        self._expected, self._seconds = expected, seconds
        self.done: list[Kill] = []
        self.last: Run | None = None
        self._dying: tuple[Run, Kill] | None = None  # killed, and perhaps not yet ended

    def run(self, kills: list[Kill]) -> None:
        """Raises ChainError if anything is not as it must be."""
        try:
            for kill in kills:
                while not self._killed(self._start(), kill):
                    self._check_results()  # it finished before its moment came; so all starts again
                    shutil.rmtree(self._checkout / "results")
                    shutil.rmtree(self._checkout / ".snakemake")
                    kill.moment *= SOONER  # moments were drawn when the machine was slower, and busier perhaps
            self._finish(self._start())
            self._check_results()
        finally:
            for run in (self.last, self._dying[0] if self._dying else None):
                if run is not None:
                    run.end()

    def _start(self) -> Run:
        self.last = Run(self._checkout, self._source)
        return self.last

    def _killed(self, run: Run, kill: Kill) -> bool:
        """Kill a run at its moment. False if it finished before."""
        while run.seconds() < kill.moment:
            if run.has_ended():
                self._finish(run)
                return False
            self._look(run)
        if run.has_ended():
            self._finish(run)
            return False
        self._await_dying()
        run.kill(kill)
        self.done.append(kill)
        self._dying = (run, kill)
        if not kill.at_once:
            self._await_dying()
        return True

    def _finish(self, run: Run) -> None:
        """Let a run finish by itself."""
        while not run.has_ended():
            if run.seconds() > 60 + 5 * self._seconds:
                raise ChainError(f"a run has not ended after {run.seconds():.0f} s")
            self._look(run)
        self._await_dying()
        if run.process.returncode != 0:
            raise ChainError(f"a run that nobody killed ended with exit code {run.process.returncode}")

    def _look(self, run: Run) -> None:
        run.watch.look()
        if self._dying:
            self._look_at_dying()
        time.sleep(TICK)

    def _await_dying(self) -> None:
        while self._dying:
            self._look_at_dying()
            time.sleep(TICK / 2)

    def _look_at_dying(self) -> None:
        """Has what was killed ended, and in time? Then what it lost is known."""
        assert self._dying is not None
        run, kill = self._dying
        kill.seconds_to_end = time.time() - run.killed_at
        if remains := run.remains():
            if kill.seconds_to_end > SECONDS_TO_END[kill.kind] + TOLERANCE:
                raise ChainError(f"{kill.seconds_to_end:.1f} s after {kill.kind}, processes still live: {remains}")
            return
        self._dying = None
        for process in run.at_work:
            self._measure(kill, process, run.killed_at)

    def _measure(self, kill: Kill, process: StageProcess, at: float) -> None:
        lost, worked = process.lost(at), process.worked(at)
        kill.lost, kill.worked = max(kill.lost, lost), max(kill.worked, worked)
        told = f"{kill.kind} lost {lost:.1f} s of the work of {process.stage} ({process.pid})"
        if lost > SECONDS_LOST + TOLERANCE:
            raise ChainError(f"{told}; at most {SECONDS_LOST:g} s are allowed")
        if kill.kind == KILL_ALL:
            return
        if process.stage in STEADY and lost > STEADY_AFTER:
            raise ChainError(f"{told}; a signal has all work so far put on disk")
        # A run that was started at once writes the job's log anew.
        if not kill.at_once and (replies := process.unrecorded_replies()):
            raise ChainError(f"{kill.kind} lost {replies} replies of {process.stage} ({process.pid})")
        if not kill.at_once and process.stage == "judge" and (verdicts := process.lost_verdicts()):
            raise ChainError(f"{kill.kind} lost {verdicts} verdicts that the server of {process.pid} gave")

    def _check_results(self) -> None:
        if told := faults_in(self._checkout, self._checkout / RESULTS, self._expected):
            raise ChainError("the finished study is not as it must be:\n  " + "\n  ".join(told[:20]))


def run_chains(
    seed: int, chains: int, kills: int, tell: Callable[[str], None], only: int | None = None, verbose: bool = False
) -> list[Kill]:
    """Run the study undisturbed, then all chains (or `only` one of them). Returns all kills.

    verbose: tell every kill, not only their sums.

    Raises ChainError that says what went wrong, how to replay it, and where everything lies.
    """
    folder = Path(tempfile.mkdtemp(prefix="prefdelta-faults-"))
    source = copy_source(folder / "source")
    expected, seconds = _undisturbed(source, folder / "undisturbed")
    tell(f"seed {seed}; the study takes {seconds:.0f} s undisturbed, {len(expected)} tables; in {folder}")
    done: list[Kill] = []
    for number in range(1, chains + 1) if only is None else [only]:
        chain = Chain(source, folder / f"chain-{number}", expected, seconds)
        started = time.monotonic()
        try:
            chain.run(draw_kills(seed, number, chains, kills, seconds))
        except ChainError as error:
            told = "\n".join(f"  {kill}" for kill in chain.done)
            raise ChainError(
                f"chain {number}: {error}\n"
                f"replay: make test-faults SEED={seed} CHAINS={chains} ONLY={number} (undisturbed: {seconds:.0f} s)\n"
                f"folder: {folder / f'chain-{number}'}\n"
                f"kills so far:\n{told}\nend of the last run's output:\n{_end_of(chain.last)}"
            ) from None
        done += chain.done
        for kill in chain.done if verbose else []:
            tell(f"  {kill}")
        tell(f"chain {number} of {chains}: {time.monotonic() - started:.0f} s; {summary(chain.done)}")
    shutil.rmtree(folder)
    return done


def _undisturbed(source: Path, checkout: Path) -> tuple[dict[str, str], float]:
    """The tables of the study when nothing disturbs it, and the seconds it takes."""
    run = Run(make_checkout(source, checkout), source)
    try:
        code = run.process.wait(timeout=1200)
    finally:
        run.end()
    if code != 0:
        raise ChainError(f"the undisturbed run ended with exit code {code}:\n{_end_of(run)}")
    seconds = run.seconds()
    if told := faults_in(checkout, checkout / RESULTS, tables := final_tables(checkout / RESULTS)):
        raise ChainError(f"the undisturbed run in {checkout} is not as it must be: {told}")
    return tables, seconds


def summary(kills: list[Kill]) -> str:
    """What the kills hit and cost, in one line."""
    kinds = Counter(kill.kind for kill in kills)
    stages = Counter(stage for kill in kills for stage in set(kill.stages) or {"no job"})
    lost = [kill.lost for kill in kills]
    deep = sum(kill.worked > LONG_WORK for kill in kills)
    return (
        f"{', '.join(f'{number} {kind}' for kind, number in kinds.items())}; "
        f"hit {', '.join(f'{stage} {number}' for stage, number in stages.most_common())}; "
        f"lost at most {max(lost):.1f} s, median {median(lost):.1f} s; "
        f"{deep} hit a job at work for more than {LONG_WORK:g} s"
    )


def _end_of(run: Run | None, lines: int = 60) -> str:
    return "\n".join(run.output.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]) if run else ""


def main() -> int:
    parser = argparse.ArgumentParser(description=str(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chains", type=int, default=10)
    parser.add_argument("--kills", type=int, default=10, help="in each chain")
    parser.add_argument("--seed", type=int, default=None, help="of all draws; a new one by default")
    parser.add_argument("--only", type=int, default=None, help="run only this one of the chains")
    parser.add_argument("--verbose", action="store_true", help="tell every kill")
    arguments = parser.parse_args()
    seed = SystemRandom().randrange(10**6) if arguments.seed is None else arguments.seed

    def tell(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    started = time.monotonic()
    try:
        kills = run_chains(seed, arguments.chains, arguments.kills, tell, arguments.only, arguments.verbose)
    except ChainError as error:
        tell(f"FAILED: {error}")
        return 1
    tell(f"all: {time.monotonic() - started:.0f} s; {len(kills)} kills: {summary(kills)}")
    if len(kills) >= MEANINGFUL and not any(kill.worked > LONG_WORK for kill in kills):
        tell(f"FAILED: no kill hit a job at work for more than {LONG_WORK:g} s, so this says nothing of what is lost")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
