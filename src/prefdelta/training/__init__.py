"""Training recipes on TRL, and the log-probabilities they need."""
