"""Servers of models that a judge job starts on loopback: the commands of each, and what starts and watches it."""
