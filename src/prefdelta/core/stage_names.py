"""Names that several layers share."""

# In the order data flows. One word each: rule, module, config section, results folder.
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
    "report",
)
TRAINING_PROMPTS = "train"  # the source that pairs are made from; all others are benchmarks
