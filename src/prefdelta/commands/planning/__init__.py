"""The content of `prefdelta plan`: which jobs would run and why, what they lack, and its cost."""
