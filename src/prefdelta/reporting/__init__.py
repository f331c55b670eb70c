"""The report: numbers from tables and manifests, claims tested by them, figures, and the page."""
