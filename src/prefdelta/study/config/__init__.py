"""The config file: its sections, the checks across them, the texts of errors, and its JSON schema."""
