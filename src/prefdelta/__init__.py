"""What do models learn from preference pairs? See README.md."""
