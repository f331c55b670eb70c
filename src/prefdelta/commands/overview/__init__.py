"""The status of a study, from its files, logs, processes and SLURM: counts, and their text. Read-only."""
