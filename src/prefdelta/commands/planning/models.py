"""The model that a job runs."""

from prefdelta.core.asking.judges import judge_in
from prefdelta.study.study import Study


def model_of(study: Study, stage: str, name: str) -> str | None:
    """The model that a job runs, by the job's name; None if it runs none."""
    parts = name.split("/")
    match stage:
        case "generate":
            return study.config.generator(parts[1]).model
        case "judge":
            return study.config.judge.judges()[judge_in(parts[2])].model
        case "ladder" | "reference" | "train" | "evaluate":
            return parts[1]
    return None
