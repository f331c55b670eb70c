"""One chain of kills, each time another: `make test-faults` runs ten."""

import os
import sys
from pathlib import Path
from random import SystemRandom
from typing import Any

import pytest

from faults.chain import KILL_ALL, Chain, ChainError, Kill, run_chains

SEED = "PREFDELTA_FAULTS_SEED"  # in the environment: the chain that failed, again


def test_a_study_that_is_killed_ten_times_ends_as_if_nothing_had_happened() -> None:
    seed = int(os.environ.get(SEED) or SystemRandom().randrange(10**6))
    try:
        run_chains(seed, chains=1, kills=10, tell=lambda line: print(line, file=sys.stderr))  # noqa: T201
    except ChainError as error:
        pytest.fail(f"{SEED}={seed}\n{error}", pytrace=False)


def test_a_moment_that_comes_after_the_end_of_a_run_comes_sooner_in_the_next(tmp_path: Path) -> None:
    class FastChain(Chain):
        """On a machine that has become faster: each run has ended after 10 seconds."""

        def __init__(self) -> None:
            self.last, self._dying, self._checkout = None, None, tmp_path

        def _start(self) -> Any:
            for name in ("results", ".snakemake"):
                (tmp_path / name).mkdir(exist_ok=True)

        def _killed(self, run: Any, kill: Kill) -> bool:
            return kill.moment < 10

        def _check_results(self) -> None: ...

        def _finish(self, run: Any) -> None: ...

    kill = Kill(KILL_ALL, 60.0, at_once=False)
    FastChain().run([kill])
    assert 7 < kill.moment < 10
