"""Rows of data sets: their values, prompts, identity, and overlap with benchmarks."""
