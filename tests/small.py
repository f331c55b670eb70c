"""A study of mini's kind that tests edit and run in parts. It changes for their sake alone, mini for its readers'."""

from pathlib import Path
from typing import Any

import yaml

SMALL = Path(__file__).parent / "studies/small.yaml"


def small() -> dict[str, Any]:
    """Its config, parsed anew."""
    content: dict[str, Any] = yaml.safe_load(SMALL.read_text(encoding="utf-8"))
    return content
