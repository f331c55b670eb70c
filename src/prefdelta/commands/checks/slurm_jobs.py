"""Whether the cluster has the resources that `cluster:` names and `compute:` asks for."""

import getpass
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from prefdelta.commands.checks.check_result import CheckResult, fail, list_names, ok, warn
from prefdelta.commands.checks.programs import answer
from prefdelta.commands.checks.slurm_state import Node, Partition
from prefdelta.commands.checks.subject import JobKind, Subject
from prefdelta.commands.output import format_bytes
from prefdelta.core.errors import StudyError

_PLAIN = re.compile(r"[\w.-]+(&[\w.-]+)*")  # a constraint that is only a list of features
_ACCOUNT_FORMAT = "Account,QOS,MaxSubmitJobs,GrpSubmitJobs"


def partitions(subject: Subject) -> Iterator[CheckResult]:
    """Whether the partitions that jobs go to exist, are up, and are open to the account."""
    slurm, cluster = subject.slurm, subject.config.cluster
    if slurm is None:
        return
    good = []
    for name in dict.fromkeys(job.partition for job in subject.jobs):
        partition = slurm.partition(name)
        if partition is None and name is None:
            yield fail(
                f"no partition is named, and SLURM has no default one. There are: {list_names(list(slurm.partitions))}",
                "Fill in cluster.partition and cluster.gpu_partition.",
            )
        elif partition is None:
            yield fail(
                f"there is no partition {name}. There are: {list_names(list(slurm.partitions))}",
                "Correct it in cluster: or compute.train.submitit.",
            )
        elif partition.state != "UP":
            yield warn(f"partition {partition.name} is {partition.state}", "Its jobs wait; ask when it is up again.")
        elif partition.accounts is not None and cluster.account and cluster.account not in partition.accounts:
            yield fail(
                f"partition {partition.name} is not open to account {cluster.account}",
                f"Name one of {list_names(sorted(partition.accounts))} in cluster.account, or another partition.",
            )
        elif partition.qos is not None and cluster.qos and cluster.qos not in partition.qos:
            yield fail(
                f"partition {partition.name} does not take qos {cluster.qos}",
                f"Name one of {list_names(sorted(partition.qos))} in cluster.qos, or another partition.",
            )
        else:
            good.append(f"{partition.name} ({len(slurm.nodes_of(partition.name))} nodes)")
    if good:
        yield ok(", ".join(good))


def jobs(subject: Subject) -> Iterator[CheckResult]:
    """Compare the request of each kind of job with the nodes and the time limit of its partition."""
    slurm = subject.slurm
    if slurm is None:
        return
    fitting, too_large_later = 0, []
    attempts = int(subject.options.get("retries", 0)) + 1
    for job in subject.jobs:
        partition = slurm.partition(job.partition)
        if partition is None:  # `partitions` reports it
            continue
        fit = _Fit(subject, job, slurm.nodes_of(partition.name))
        problems = list(fit.problems(partition))
        yield from problems
        fitting += not problems
        # A job through submitit asks for the same each time that it is queued.
        if not problems and not job.asked.submitit and not fit.fits(partition, attempts):
            too_large_later.append(job.where)
    if too_large_later:
        yield warn(
            f"attempt {attempts} of {list_names(too_large_later)} asks for {attempts} times the memory and time, which "
            "its partition does not give: it would be refused, or wait forever",
            "Lower mem_mb or runtime in compute:, or the profile's retries.",
        )
    if fitting:
        yield ok(f"{fitting} kinds of jobs fit")


@dataclass(frozen=True, slots=True)
class _Fit:
    """A kind of job, to be compared with the nodes of its partition."""

    subject: Subject
    job: JobKind
    nodes: list[Node]

    def problems(self, partition: Partition) -> Iterator[CheckResult]:
        job, asked, cluster = self.job, self.job.asked, self.subject.config.cluster
        where = f"partition {partition.name}"
        if asked.gpus and not any(node.gpus for node in self.nodes):
            yield fail(
                f"{job.where} asks for GPUs, and SLURM knows of none in {where}",
                "Name cluster.gpu_partition. If nodes have some, administrators must say so: GresTypes=gpu in "
                "slurm.conf, and gres.conf with File= (a bare count is silently dropped).",
            )
        elif asked.gpus and cluster.gpu_model and not any(node.gpus_of(cluster.gpu_model) for node in self.nodes):
            models = sorted({model or "(not named)" for node in self.nodes for model in node.gpus})
            yield fail(
                f"{where} has no GPUs called {cluster.gpu_model}. There are: {list_names(models)}",
                "Correct cluster.gpu_model, as `sinfo -o %G` calls it.",
            )
        elif cluster.constraint and _PLAIN.fullmatch(cluster.constraint) and not self._with_features(self.nodes):
            has = sorted({feature for node in self.nodes for feature in node.features})
            yield fail(
                f"no node of {where} has the features {cluster.constraint}. There are: {list_names(has) or 'none'}",
                "Correct cluster.constraint.",
            )
        elif len(fitting := self._fitting(1)) < job.nodes:
            yield fail(
                f"{job.where} asks for {_request_text(job)}; {len(fitting)} of {len(self.nodes)} nodes of {where} have "
                f"that (at most: {self._largest()})",
                f"Lower {job.where}, or name another partition.",
            )
        elif not [node for node in fitting if node.is_usable]:
            yield warn(
                f"{job.where}: the {len(fitting)} nodes of {where} that have {_request_text(job)} are down",
                "Its jobs wait; sinfo -R says why.",
            )
        elif partition.minutes is not None and asked.runtime > partition.minutes:
            yield fail(
                f"{job.where}.runtime is {asked.runtime} minutes; {where} allows {partition.minutes:.0f}",
                "Lower it: what a job has done is kept, and the next attempt goes on.",
            )

    def fits(self, partition: Partition, attempt: int) -> bool:
        """Whether an attempt can run. The n-th asks for n times the memory and time."""
        in_time = partition.minutes is None or self.job.asked.runtime * attempt <= partition.minutes
        return in_time and len(self._fitting(attempt)) >= self.job.nodes

    def _fitting(self, attempt: int) -> list[Node]:
        asked, model = self.job.asked, self.subject.config.cluster.gpu_model
        return [
            node
            for node in self._with_features(self.nodes)
            if node.gpus_of(model) >= asked.gpus
            and node.mem_mb >= asked.mem_mb * attempt
            and node.cpus >= self.job.threads
        ]

    def _with_features(self, nodes: Iterable[Node]) -> list[Node]:
        """The nodes that meet the constraint; all nodes if only SLURM can read it (not a plain list of features)."""
        constraint = self.subject.config.cluster.constraint
        if not constraint or not _PLAIN.fullmatch(constraint):
            return list(nodes)
        return [node for node in nodes if node.features.issuperset(constraint.split("&"))]

    def _largest(self) -> str:
        model = self.subject.config.cluster.gpu_model
        gpus = max((node.gpus_of(model) for node in self.nodes), default=0)
        memory = max((node.mem_mb for node in self.nodes), default=0)
        cpus = max((node.cpus for node in self.nodes), default=0)
        return f"{_count(gpus, 'GPU')}, {format_bytes(memory * 1e6)}, {_count(cpus, 'CPU')}"


def _request_text(job: JobKind) -> str:
    gpus = f"{_count(job.asked.gpus, 'GPU')}, " if job.asked.gpus else ""
    nodes = f"{job.nodes} nodes with " if job.nodes > 1 else ""
    return f"{nodes}{gpus}{format_bytes(job.asked.mem_mb * 1e6)} and {_count(job.threads, 'CPU')}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def accounts(subject: Subject) -> Iterator[CheckResult]:
    """Account, qos and limits of submission, as far as SLURM's accounting says."""
    slurm, cluster = subject.slurm, subject.config.cluster
    if slurm is None:
        return
    results = [*_queue_limit(subject, slurm.settings.get("MaxJobCount"), "of the whole cluster (MaxJobCount)")]
    if not slurm.keeps_accounts:
        yield from results or [ok("SLURM keeps no accounts: cluster.account and cluster.qos are not looked at by it")]
        return
    user = getpass.getuser()
    try:
        listed = answer(
            "sacctmgr", "--noheader", "--parsable2", "show", "associations", f"user={user}", f"format={_ACCOUNT_FORMAT}"
        )
    except StudyError as error:
        yield warn(f"SLURM's accounting does not say what {user} may use: {error}", "sacctmgr show associations")
        return
    rows = [line.split("|") for line in listed.splitlines() if line.count("|") == 3]
    names = sorted({row[0] for row in rows})
    mine = [row for row in rows if cluster.account in (None, row[0])]
    allowed = sorted({qos for row in mine for qos in row[1].split(",") if qos})
    if not rows and slurm.lists("AccountingStorageEnforce", "associations"):
        results.append(fail(f"{user} has no account here, and SLURM wants one", "Ask the administrators for one."))
    elif rows and not mine:
        results.append(
            fail(
                f"{user} may not use account {cluster.account}", f"Name one of {list_names(names)} in cluster.account."
            )
        )
    elif cluster.qos and allowed and cluster.qos not in allowed:
        results.append(
            fail(f"{user} may not use qos {cluster.qos}", f"Name one of {list_names(allowed)} in cluster.qos.")
        )
    for row in mine:
        for limit in row[2:]:
            results += _queue_limit(subject, limit, f"of account {row[0]}")
    yield from results or [ok(f"{user} may use {list_names(names) or 'SLURM without an account'}")]


def _queue_limit(subject: Subject, limit: str | None, whose: str) -> Iterator[CheckResult]:
    """Whether the profile puts more jobs into the queue than a limit allows."""
    jobs = int(subject.options.get("jobs", 0))
    if limit and limit.isdigit() and jobs > int(limit):
        yield warn(
            f"the profile puts up to {jobs} jobs into the queue, {limit} is the limit {whose}: sbatch is refused, and "
            "tried again for minutes",
            f"jobs: {limit} or fewer, in profiles/{subject.profile}/config.yaml",
        )
