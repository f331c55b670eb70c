"""Training: policies by methods of TRL, rungs of the ladder from scratch, and log-probabilities of traces."""
