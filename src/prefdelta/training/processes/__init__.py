"""Training with several processes: how they start, communicate and end."""
