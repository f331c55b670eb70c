"""A study: its config, and the inputs, outputs and settings of each job."""
