"""Procedural reasoning tasks with explicit steps: what the mini study asks its models."""
