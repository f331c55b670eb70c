"""The resources of a study's jobs: threads, memory, time, GPUs; and how a training's processes are started."""

from collections.abc import Callable, Mapping
from typing import Any

from prefdelta.core.asking.judges import judge_in
from prefdelta.core.compute import Cluster, Compute, Fsdp, Resources
from prefdelta.core.launch import Launch
from prefdelta.core.layout import stage_of
from prefdelta.core.stage_names import STAGES
from prefdelta.study.config.sections import Config
from prefdelta.study.job import Wildcards


class JobCompute:
    """The sections `compute` and `cluster` of a config, per job."""

    def __init__(self, config: Config) -> None:
        self._config = config

    def section(self, stage: str) -> Compute:
        """`compute.<stage>`, or its defaults."""
        assert stage in STAGES
        return self._config.compute.get(stage, Compute())

    def threads(self, stage: str) -> int:
        return self.section(stage).threads

    def asked_for(self, stage: str, model: str | None) -> Resources:
        """The resources that a job of a stage asks for. model: the name of the model that it runs, if any."""
        section = self.section(stage)
        size = self._config.models[model].size if model else None
        return section.sizes.get(size or "", section)

    def resources(self, kind: str) -> dict[str, Any]:
        """The `resources:` of a rule: GPUs, memory (MB) and time (minutes) of one job.

        A second attempt at a job gets twice the memory and time, a third three times.
        """
        return _resources(self._config.cluster, lambda wildcards: self._asked(kind, dict(wildcards.items())))

    def batch_resources(self, stage: str, policy: str) -> dict[str, Any]:
        """The same for a batch of arms. A training that submits a SLURM job itself only waits, and asks for nothing."""
        asked = self.asked_for(stage, policy)
        resources = {} if asked.submitit is not None else _resources(self._config.cluster, lambda _: asked)
        if stage == "train":
            resources["launch"] = lambda wildcards, attempt: self._launch(asked, attempt)
        return resources

    def _launch(self, asked: Resources, attempt: int) -> str:
        """How a training's processes are started, as JSON. It is not one of the settings: no policy depends on it."""
        launch = Launch(fsdp=asked.fsdp or Fsdp())
        if asked.submitit is not None:
            launch = Launch(
                fsdp=launch.fsdp,
                submitit=asked.submitit,
                gpus=asked.gpus,
                cpus=self.threads("train"),
                mem_mb=attempt * asked.mem_mb,
                runtime=attempt * asked.runtime,
                cluster=self._config.cluster,
            )
        return launch.model_dump_json(exclude_defaults=True)

    def _asked(self, kind: str, axes: Mapping[str, str]) -> Resources:
        config, stage, model = self._config, stage_of(kind), None
        match kind:
            case "generate" | "generate_shard":
                generator = config.generator(axes["generator"])
                model = generator.model
                if model is None or (kind == "generate" and generator.shards > 1):
                    return self._without_gpus(stage)  # it reads existing traces
            case "judge":
                judge = config.judge.judges()[judge_in(axes["form"])]
                model = judge.model
                if judge.engine.server is None:
                    return self._without_gpus(stage)  # the judge runs elsewhere
            case "reference":
                model = axes["policy"]
        return self.asked_for(stage, model)

    def _without_gpus(self, stage: str) -> Resources:
        return self.section(stage).model_copy(update={"gpus": 0})


def _resources(cluster: Cluster, asked: Callable[[Wildcards], Resources]) -> dict[str, Any]:
    """Only Snakemake's executor for SLURM reads gpu_model, qos, constraint and names that begin with slurm_."""
    resources: dict[str, Any] = {
        "nodes": 1,  # the GPUs of one job lie on one node
        "gpu": lambda wildcards: asked(wildcards).gpus,
        "mem_mb": lambda wildcards, attempt: attempt * asked(wildcards).mem_mb,
        "runtime": lambda wildcards, attempt: attempt * asked(wildcards).runtime,
    }
    fixed = {"slurm_account": cluster.account, "qos": cluster.qos, "constraint": cluster.constraint}
    resources |= {name: value for name, value in fixed.items() if value is not None}
    if (partition := cluster.partition) or cluster.gpu_partition:
        on_gpu = cluster.gpu_partition or partition
        resources["slurm_partition"] = lambda wildcards: (on_gpu if asked(wildcards).gpus else partition) or ""
    if cluster.gpu_model:
        resources["gpu_model"] = lambda wildcards: cluster.gpu_model if asked(wildcards).gpus else ""
    return resources
