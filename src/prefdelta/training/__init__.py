"""Training recipes on TRL, and the log-probabilities that they need."""
