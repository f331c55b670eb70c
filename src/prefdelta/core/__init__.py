"""Pure functions over records, and settings as types: no I/O, clock, environment or torch."""
