"""What jobs ask of machines, and how a site's cluster is addressed.

These values are not in a stage's settings: they change no result, so an edit reruns nothing. Only other batches of arms
are other jobs, which take all from the record.
"""

from typing import Annotated, Literal

from pydantic import Field

from prefdelta.core.settings import Settings

_Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._,+-]*$")]  # put into sbatch's command line


class Cluster(Settings):
    """The site's names for SLURM. SLURM's defaults hold for keys that are left out. An edit reruns no job."""

    account: _Word | None = None
    """The account that pays (`sbatch --account`)."""

    partition: _Word | None = None
    """Partition of jobs without GPUs."""

    gpu_partition: _Word | None = None
    """Partition of jobs with GPUs. Default: `partition`."""

    gpu_model: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]+$")] | None = None
    """Model of GPU that jobs ask for, as `sinfo -o %G` shows it, for example h100. Default: any."""

    qos: _Word | None = None
    """Quality of service (`sbatch --qos`)."""

    constraint: str | None = None
    """Features that a node must have (`sbatch --constraint`), for example "a100&nvlink". Default: any node."""


class Fsdp(Settings):
    """How several GPUs share one model's weights, gradients and optimiser (PyTorch's FSDP2)."""

    reshard_after_forward: bool = True
    """Whether a GPU frees the weights of the others after the forward pass. False is faster and takes more memory."""

    cpu_offload: bool = False
    """Whether weights, gradients and optimiser lie in main memory while they are not in use."""


class Submitit(Settings):
    """Training as a SLURM job of its own. The rule submits it and waits for it where snakemake runs.

    A job of Snakemake cannot run on several nodes, or in a partition that preempts jobs; this one can.
    """

    nodes: Annotated[int, Field(ge=1)] = 1
    """Number of nodes. Each has the `gpus`, `threads` and `mem_mb` of the stage."""

    partition: _Word | None = None
    """Partition of the job, for example one whose jobs may be preempted. Default: `cluster.gpu_partition`."""

    warning_s: Annotated[int, Field(ge=10)] = 120
    """Seconds before the time limit at which SLURM signals the job, so that it saves a snapshot."""

    requeues: Annotated[int, Field(ge=0)] = 20
    """How many times the job may reach its time limit and be queued again to go on."""


class Resources(Settings):
    """What one job asks for, and its assumed speed until it was measured."""

    gpus: Annotated[int, Field(ge=0)] = 0
    """Number of GPUs per node."""

    mem_mb: Annotated[int, Field(ge=1)] = 2000
    """Main memory per node, in MB. A second attempt of a job gets twice as much, a third three times."""

    runtime: Annotated[int, Field(ge=1)] = 60
    """Time limit in minutes. A second attempt of a job gets twice as much, a third three times."""

    tokens_per_s: Annotated[float, Field(gt=0)] | None = None
    """Assumed speed of one job: tokens per second that a model writes, or that `reference` and `train` read.
    `prefdelta plan` uses it until a job has finished and was measured."""

    tokens_per_call: Annotated[float, Field(gt=0)] | None = None
    """Assumed tokens of one reply, or of one trace or pair that is read. `prefdelta plan` uses it until a job was
    measured."""

    fsdp: Fsdp | None = None
    """How several GPUs share a model in training; for `train` alone. Default: the defaults of its keys."""

    submitit: Submitit | None = None
    """Train in a SLURM job of its own, on one or more nodes; for `train` alone. Default: in the job of the rule."""


class Compute(Resources):
    """What one job of a stage asks for. An edit reruns no job.

    Only `batch` and `batch_by` plan jobs again: other batches of arms, with 0 steps and 0 calls.
    """

    threads: Annotated[int, Field(ge=1)] = 1
    """CPU cores per job (and per node, with `submitit`)."""

    batch: Annotated[int, Field(ge=1)] = 1
    """Largest number of arms in one job; for `train` and `evaluate`."""

    batch_by: Literal["pairing", "policy"] = "pairing"
    """What the arms of one job share; for `train` and `evaluate`. pairing: policy, pairing, recipe and seed, so that a
    new generator, recipe or seed plans no job again. policy: only the policy (for `train`, also the recipe): fewer
    processes, for models that load more slowly than they work. A new arm may then plan the policy's jobs again, which
    train and ask only what is missing."""

    sizes: dict[str, Resources] = Field(default_factory=dict)
    """Size of a model (`models.<model>.size`) -> what its jobs ask for. It replaces all values beside it."""
