"""The config file: its sections, what is checked across them, the words of an error, and its JSON schema."""
