"""Worlds: evidence of a study's own shape whose truth is planted, and what a ledger of claims concludes from it."""
