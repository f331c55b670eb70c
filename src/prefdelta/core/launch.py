"""How the processes of a training are started: what its rule tells it by --launch.

It decides who computes which rows of an update, and nothing else: no setting of the stage, and no part of any key.
"""

from prefdelta.core.compute import Cluster, Fsdp, Submitit
from prefdelta.core.settings import Settings


class Launch(Settings):
    """A process for each GPU of this machine; or, with `submitit`, a job of SLURM with `gpus` processes a node."""

    fsdp: Fsdp = Fsdp()
    submitit: Submitit | None = None
    # What that job asks for, on each node; without `submitit` the rule has asked already.
    gpus: int = 0  # none: one process, on CPUs
    cpus: int = 1
    mem_mb: int = 2000
    runtime: int = 60  # minutes
    cluster: Cluster = Cluster()

    @property
    def tasks(self) -> int:
        """Processes of that job on each node."""
        return max(1, self.gpus)

    @property
    def partition(self) -> str | None:
        assert self.submitit is not None
        return self.submitit.partition or (self.gpus and self.cluster.gpu_partition) or self.cluster.partition
