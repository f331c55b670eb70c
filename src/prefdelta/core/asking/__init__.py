"""Asking models: requests and replies, prompts as a model sees them, verdicts, costs."""
