"""Final answers and what counts as right, without running anything."""
