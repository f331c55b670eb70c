"""A study: its config, and what each job of it reads, writes and is given."""
