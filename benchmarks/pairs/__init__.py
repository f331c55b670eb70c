"""Judged traces, made up, and what users would pick instead of our stages: for `bench.pairs`."""
