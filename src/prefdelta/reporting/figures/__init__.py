"""Figures: their values, and how they are drawn, for the page and as files."""
