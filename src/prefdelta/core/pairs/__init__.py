"""Pairs: which traces face each other, how far apart they are, and which pairs an arm trains on."""
