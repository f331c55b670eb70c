"""Rows of data sets: their sources, values, problems and identity, and overlap with benchmarks."""
