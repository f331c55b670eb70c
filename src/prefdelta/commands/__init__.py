"""The command line `prefdelta <command>`."""
