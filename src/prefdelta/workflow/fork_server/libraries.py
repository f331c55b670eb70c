"""What is imported before a stage's jobs are forked. A name that is missing here costs time in each job, no more."""

_TABLES = ("numpy", "pandas", "pyarrow.compute", "pyarrow.parquet", "pydantic", "yaml")
_MODELS = (*_TABLES, "torch", "transformers")
_OF_STAGES = {
    "judge": (*_TABLES, "openai"),
    "ladder": _MODELS,
    "generate": _MODELS,
    "reference": _MODELS,
    "train": _MODELS,
    "evaluate": _MODELS,
}


def libraries(stage: str) -> tuple[str, ...]:
    """The modules that the stage's jobs use."""
    return _OF_STAGES.get(stage, _TABLES)
