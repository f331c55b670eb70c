"""What a person types: `prefdelta <command>`."""
