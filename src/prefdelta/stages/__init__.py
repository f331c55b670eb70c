"""One module per stage: read, core, write. `python -m prefdelta.stages.<stage> --help` explains each."""
