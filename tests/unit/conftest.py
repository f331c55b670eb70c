from hypothesis import settings

# The same examples on every run (a red test can be run again), and no deadline: CI's cores are slow.
settings.register_profile("unit", derandomize=True, deadline=None, max_examples=60, database=None)
settings.load_profile("unit")
