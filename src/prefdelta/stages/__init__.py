"""One module per stage; it reads, computes and writes. `python -m prefdelta.stages.<stage> --help` explains each."""
