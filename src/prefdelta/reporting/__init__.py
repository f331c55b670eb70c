"""The report's parts: inputs to frames, frames to figures, both to a page."""
