"""Schedulers of clusters: SLURM is the one there is."""
