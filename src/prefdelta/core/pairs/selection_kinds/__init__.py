"""The kinds of selections, a module each: how their names read, and which pairs they take."""
