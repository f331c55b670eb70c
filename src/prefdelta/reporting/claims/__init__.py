"""A paper's claims: what a study measured of each, and what that says."""
