"""One chain of kills, each time another: `make test-faults` runs ten."""

import os
import sys
from random import SystemRandom

import pytest

from faults.chain import ChainError, run_chains

SEED = "PREFDELTA_FAULTS_SEED"  # in the environment: the chain that failed, again


def test_a_study_that_is_killed_ten_times_ends_as_if_nothing_had_happened() -> None:
    seed = int(os.environ.get(SEED) or SystemRandom().randrange(10**6))
    try:
        run_chains(seed, chains=1, kills=10, tell=lambda line: print(line, file=sys.stderr))  # noqa: T201
    except ChainError as error:
        pytest.fail(f"{SEED}={seed}\n{error}", pytrace=False)
