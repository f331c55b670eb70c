"""What jobs ask of machines, and how a site's cluster is addressed.

None of it is in a stage's settings: it changes no result, so editing it reruns nothing.
"""

from typing import Annotated

from pydantic import Field

from prefdelta.core.settings import Settings

_Word = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._,+-]*$")]  # goes into sbatch's command line


class Cluster(Settings):
    """A site's names for things, as SLURM knows them. What is left out is left to SLURM's own defaults."""

    account: _Word | None = None  # who pays
    partition: _Word | None = None  # of jobs without GPUs
    gpu_partition: _Word | None = None  # of jobs with GPUs; None: as `partition`
    gpu_model: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]+$")] | None = None  # e.g. h100, as `sinfo -o %G` says
    qos: _Word | None = None
    constraint: str | None = None  # node features, as sbatch --constraint takes them


class Fsdp(Settings):
    """How several GPUs share one model's weights, gradients and optimiser (PyTorch's FSDP2)."""

    reshard_after_forward: bool = True  # False: faster, and each GPU holds all weights between forward and backward
    cpu_offload: bool = False  # True: what is not in use lies in main memory


class Submitit(Settings):
    """Training as a SLURM job of its own, which the rule asks for and waits for where snakemake runs.

    For what one job of Snakemake cannot be: several nodes, or a partition that takes its nodes back.
    """

    nodes: Annotated[int, Field(ge=1)] = 1
    partition: _Word | None = None  # e.g. one whose jobs may be preempted; None: cluster.gpu_partition
    warning_s: Annotated[int, Field(ge=10)] = 120  # before the time limit, for a snapshot
    requeues: Annotated[int, Field(ge=0)] = 20  # how often it may run into its time limit and go on


class Asked(Settings):
    """What one job asks of the machine, and what is assumed of it until it was measured."""

    gpus: Annotated[int, Field(ge=0)] = 0  # of a node
    mem_mb: Annotated[int, Field(ge=1)] = 2000  # of a node
    runtime: Annotated[int, Field(ge=1)] = 60  # minutes
    tokens_per_s: Annotated[float, Field(gt=0)] | None = None  # of one job: written by a model, or read by training
    tokens_per_call: Annotated[float, Field(gt=0)] | None = None  # of one reply, or of one trace or pair that is read
    fsdp: Fsdp | None = None  # of train; None: as if it were {}
    submitit: Submitit | None = None  # of train; None: an ordinary job, on one node


class Compute(Asked):
    """What one job of a stage asks of the machine."""

    threads: Annotated[int, Field(ge=1)] = 1
    batch: Annotated[int, Field(ge=1)] = 1  # arms per job of train and evaluate, at most
    sizes: dict[str, Asked] = Field(default_factory=dict)  # models.<model>.size -> what its jobs ask for instead
