"""Asking models: requests and replies, options of engines, prompts as a model sees them, verdicts, costs."""
