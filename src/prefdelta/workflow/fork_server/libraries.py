"""What is imported before jobs are forked, besides their stage's own module: libraries that it imports in functions.

A name that is missing here costs time in each job, no more.
"""

from typing import Literal

Kind = Literal["tables", "asking", "models"]
_TABLES = ("numpy", "pandas", "pyarrow.parquet", "pyarrow.pandas_compat")
_LIBRARIES: dict[Kind, tuple[str, ...]] = {
    "tables": _TABLES,
    "asking": (*_TABLES, "openai.resources.chat"),
    "models": (
        *_TABLES,
        "torch",
        "transformers.generation",
        "transformers.models.auto.modeling_auto",
        "transformers.models.auto.tokenization_auto",
        "transformers.models.llama.modeling_llama",
    ),
}
_KINDS: dict[str, Kind] = {
    "judge": "asking",
    "ladder": "models",
    "generate": "models",
    "reference": "models",
    "train": "models",
    "evaluate": "models",
}


def kind_of(stage: str) -> Kind:
    """The kind of a stage: jobs of one kind are forks of one process."""
    return _KINDS.get(stage, "tables")


def libraries(kind: Kind) -> tuple[str, ...]:
    """The modules that jobs of a kind use."""
    return _LIBRARIES[kind]
