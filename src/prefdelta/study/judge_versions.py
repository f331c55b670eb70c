"""The version of the judge on each dimension: what people's sheets are bound to."""

from prefdelta.core.ids import digest
from prefdelta.core.people.sheet import JudgeVersion
from prefdelta.study import texts
from prefdelta.study.axes import Axes
from prefdelta.study.config.sections import Config
from prefdelta.study.hub import Hub

# What decides a reply, of the options of a judge's engine. Its address does not: another one asks nothing again.
_DECIDE = {"model", "provider", "omit", "rename", "response_format", "server"}


def judge_versions(config: Config, axes: Axes, hub: Hub) -> dict[str, JudgeVersion]:
    """Dimension -> the version of the study's judge, by the config and the texts as they are now."""
    section = config.judge
    model = hub.model(section.model) if section.model else None
    shared = {
        "engine": section.engine.model_dump(include=_DECIDE),
        "hub": model.model_dump() if model else None,
        "rendering": hub.rendering(section.model).model_dump(),
        "sampling": section.sampling.model_dump(),
        "votes": section.votes,
    }
    template = texts.text_digest([section.template])
    versions = {}
    for dimension in config.dimensions:
        form = axes.form_of(dimension)
        asked = section.forms[form]
        versions[dimension] = JudgeVersion(
            judge=digest({**shared, "form": form, "dimensions": asked})[:16],
            rubric=texts.text_digest(texts.rubric(name) for name in asked),
            template=template,
        )
    return versions
