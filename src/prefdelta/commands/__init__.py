"""The commands `prefdelta <command>`, a module each, listed in `main.py`; and what several of them use."""
