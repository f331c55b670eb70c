"""Models and data sets: where they come from, where their files are, and how they are loaded."""
