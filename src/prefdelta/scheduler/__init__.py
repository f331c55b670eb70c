"""Schedulers of clusters: only SLURM so far."""
