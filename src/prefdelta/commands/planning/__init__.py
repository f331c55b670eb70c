"""What `prefdelta plan` tells: which jobs would run and why, what they lack, and what that takes."""
