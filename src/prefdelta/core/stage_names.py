"""Names that several layers share."""

# In the order in which data flows. Each word names a rule, a module, a config section and a results folder.
STAGES = (
    "prompts",
    "ladder",
    "generate",
    "grade",
    "judge",
    "pair",
    "delta",
    "filter",
    "reference",
    "train",
    "evaluate",
    "browse",
    "report",
)
PAGES = ("browse", "report")  # nothing depends on these stages
TRAINING_PROMPTS = "train"  # the source from which pairs are made; all other sources are benchmarks
