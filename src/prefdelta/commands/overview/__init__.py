"""How a study stands: what its files, logs, processes and SLURM tell, counted, and put into words. Only looks."""
