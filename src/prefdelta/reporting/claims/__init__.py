"""A paper's claims: a study's measurements for each, and the verdicts."""
