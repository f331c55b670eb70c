"""What stands between Snakemake and a stage: a job's entry, one run at a time, plans, the digest of source."""
