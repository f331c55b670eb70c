"""The gain beyond sharpening has intervals of 95%: the cells of benchmarks/coverage_sharpening.py."""

import math
import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import pytest

_SPEC = spec_from_file_location(
    "coverage_of_sharpening", Path(__file__).parents[4] / "benchmarks/coverage_sharpening.py"
)
benchmark = module_from_spec(_SPEC)
sys.modules[_SPEC.name] = benchmark
_SPEC.loader.exec_module(benchmark)

STUDIES = 200
ERROR = 3 * math.sqrt(0.95 * 0.05 / STUDIES)


@pytest.mark.parametrize("cell", benchmark.CELLS, ids=lambda cell: cell.title)
def test_the_truth_is_covered(cell):
    assert 0.93 - ERROR <= benchmark.coverage(cell, STUDIES).holds <= 0.98 + ERROR
