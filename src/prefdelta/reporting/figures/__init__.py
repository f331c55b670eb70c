"""Figures: what they show as values, and how it is drawn, for the page and as files."""
