"""Pure functions over records: no I/O, clock, environment or torch globals."""
