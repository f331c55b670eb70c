"""A study: its config, and for each of its jobs what it reads, writes, is given and asks for."""
