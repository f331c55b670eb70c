"""Worlds: evidence of a study's own shape in which the truth is planted, and what a ledger of claims concludes from it."""
