"""The layer between Snakemake and a stage: a job's entry, one run at a time, the digest of source."""
