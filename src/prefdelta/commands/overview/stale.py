"""Which finished jobs an edit has made stale, by the settings, source and inputs in their manifests. Read-only.

Snakemake's dry run takes seconds to minutes for this; here it takes the time of reading manifests. An edit of a rule's
command line is not seen.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

from prefdelta.study.study import Study
from prefdelta.system.files import sha256_of

# What has changed, of the job itself or of the jobs that it depends on.
Reason = Literal["other_settings", "other_source", "other_texts", "other_inputs"]


def stale_jobs(study: Study, done: Mapping[str, Mapping[str, Any]]) -> dict[str, Reason]:
    """Manifest -> why its job would run again.

    done: manifest -> its content, of the jobs whose files exist. Anything a manifest does not name counts as unchanged.
    """
    planned = {job.manifest: job for job in study.all_jobs}
    made_by = {path: job.manifest for job in planned.values() for path in job.outputs}
    text_of = cache(_sha256)

    @cache
    def why(manifest: str) -> Reason | None:
        job, content = planned[manifest], done[manifest]
        texts = {path: text_of(path) for path in job.reads if path not in made_by and Path(path).is_file()}
        settings = json.loads(job.settings)
        if content.get("settings", settings) != settings:
            return "other_settings"
        if content.get("code", job.code) != job.code:
            return "other_source"
        if content.get("texts", texts) != texts:
            return "other_texts"
        tables = {path: made_by[path] for path in job.reads if path in made_by}
        if any(made in done and why(made) for made in tables.values()):
            return "other_inputs"
        before = content.get("inputs")
        if before is None:
            return None
        # Whether a table that is missing or being recomputed will be the same is not known yet.
        now = {path: done.get(made, {}).get("outputs", {}).get(path) for path, made in tables.items()}
        return None if now == before else "other_inputs"

    return {manifest: reason for manifest in done if (reason := why(manifest))}


def _sha256(path: str) -> str:
    return sha256_of(Path(path))
