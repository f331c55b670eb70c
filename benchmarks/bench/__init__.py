"""Our way of a piece of work beside what a user would pick instead: `make bench`. One module per line, or few."""
