"""How the processes of a training are started: the value that its rule passes as --launch.

It decides only which process computes which rows of an update, so it is neither a setting of the stage nor in a key.
"""

from prefdelta.core.compute import Cluster, Fsdp, Submitit
from prefdelta.core.settings import Settings


class Launch(Settings):
    """One process per GPU of this machine; or, with `submitit`, a SLURM job with `gpus` processes on each node.

    The amounts are those that the SLURM job asks for. Without `submitit` the rule's own job has asked for them.
    """

    fsdp: Fsdp = Fsdp()
    """How several GPUs share one model."""

    submitit: Submitit | None = None
    """The SLURM job. Not given: training runs on this machine."""

    gpus: int = 0
    """GPUs per node. 0: one process, on CPUs."""

    cpus: int = 1
    """Cores per node."""

    mem_mb: int = 2000
    """Memory per node, in MB."""

    runtime: int = 60
    """Time limit, in minutes."""

    cluster: Cluster = Cluster()
    """The site's names for account, partitions and GPUs."""

    @property
    def tasks(self) -> int:
        """Processes of the SLURM job on each node."""
        return max(1, self.gpus)

    @property
    def partition(self) -> str | None:
        """Partition of the SLURM job; None: SLURM's default."""
        assert self.submitit is not None
        return self.submitit.partition or (self.gpus and self.cluster.gpu_partition) or self.cluster.partition
