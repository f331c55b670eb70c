"""Pairs: which traces are paired, how far apart their scores and lengths are, and which pairs an arm trains on."""
