"""A cluster as SLURM describes it: settings, partitions and nodes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from prefdelta.commands.checks.programs import answer
from prefdelta.core.errors import StudyError

_NODES = "%N|%R|%G|%m|%c|%f|%T"  # name, partition, GPUs, MB, CPUs, features, state: of each node in each partition
_NOTHING = ("(null)", "N/A", "NONE", "")


@dataclass(frozen=True, slots=True)
class Node:
    """A node, as one partition has it."""

    name: str
    partition: str
    gpus: dict[str, int]  # by model; "" if SLURM names no model
    mem_mb: int
    cpus: int
    features: frozenset[str]
    state: str

    def gpus_of(self, model: str | None) -> int:
        return sum(self.gpus.values()) if model is None else self.gpus.get(model, 0)

    @property
    def is_usable(self) -> bool:
        """Whether it can run jobs, now or once it is started or free; `*` marks a node that does not answer."""
        return not self.state.startswith(("down", "drain", "fail", "inval", "error")) and not self.state.endswith("*")


@dataclass(frozen=True, slots=True)
class Partition:
    """A queue of the cluster."""

    name: str
    is_default: bool
    state: str
    minutes: float | None  # the longest that a job may take; None: no limit
    preempt_mode: str
    grace_s: int
    accounts: frozenset[str] | None  # the accounts that may use it; None: all
    qos: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class Slurm:
    """A cluster."""

    settings: dict[str, str]  # of `scontrol show config`
    partitions: dict[str, Partition]
    nodes: list[Node]

    def partition(self, name: str | None) -> Partition | None:
        """The partition of that name; the default one for None."""
        if name is not None:
            return self.partitions.get(name)
        return next((partition for partition in self.partitions.values() if partition.is_default), None)

    def nodes_of(self, partition: str) -> list[Node]:
        return [node for node in self.nodes if node.partition == partition]

    def seconds(self, setting: str) -> int:
        """A setting that is a time, in seconds."""
        match = re.match(r"\d+", self.settings.get(setting, ""))
        return int(match[0]) if match else 0

    def lists(self, setting: str, word: str) -> bool:
        """Whether a setting that is a list has a word."""
        return word in re.split(r"[,\s]+", self.settings.get(setting, ""))

    @property
    def keeps_accounts(self) -> bool:
        return self.settings.get("AccountingStorageType", "").endswith("/slurmdbd")


def ask_slurm() -> Slurm:
    """Ask SLURM. Raises StudyError if it does not answer."""
    ping = answer("scontrol", "ping")
    if "is UP" not in ping:
        raise StudyError(ping or "`scontrol ping` said nothing")
    settings = dict(_parse_setting(line) for line in answer("scontrol", "show", "config").splitlines() if "=" in line)
    partitions = answer("scontrol", "--all", "--oneliner", "show", "partition").splitlines()
    nodes = answer("sinfo", "--all", "--noheader", "--Node", f"--format={_NODES}").splitlines()
    queues = [_parse_partition(line) for line in partitions if line.startswith("PartitionName=")]
    by_name = {queue.name: queue for queue in queues}
    return Slurm(settings, by_name, [_parse_node(line) for line in nodes if line.count("|") == 6])


def minutes(text: str) -> float | None:
    """SLURM's [days-]hours:minutes:seconds, minutes:seconds or minutes. None: no limit."""
    days, _, rest = text.rpartition("-")
    if not re.fullmatch(r"\d+(:\d+)*", rest):
        return None
    parts = [int(part) for part in rest.split(":")]
    if days:  # days-hours[:minutes[:seconds]]
        hours, mins, secs = (*parts, 0, 0)[:3]
    elif len(parts) == 3:
        hours, mins, secs = parts
    else:
        hours, (mins, secs) = 0, (*parts, 0)[:2]
    return int(days or 0) * 1440 + hours * 60 + mins + secs / 60


def _parse_setting(line: str) -> tuple[str, str]:
    name, _, value = line.partition("=")
    return name.strip(), value.strip()


def _parse_partition(line: str) -> Partition:
    fields = dict(word.split("=", 1) for word in line.split() if "=" in word)
    return Partition(
        name=fields["PartitionName"],
        is_default=fields.get("Default") == "YES",
        state=fields.get("State", ""),
        minutes=minutes(fields.get("MaxTime", "")),
        preempt_mode=fields.get("PreemptMode", "OFF"),
        grace_s=int(fields.get("GraceTime", "0")),
        accounts=_allowed(fields.get("AllowAccounts", "ALL")),
        qos=_allowed(fields.get("AllowQos", "ALL")),
    )


def _allowed(text: str) -> frozenset[str] | None:
    return None if text == "ALL" else frozenset(text.split(","))


def _parse_node(line: str) -> Node:
    name, partition, gres, mem_mb, cpus, features, state = line.split("|")
    gpus: dict[str, int] = {}
    for model, count in _parse_gpus(gres):
        gpus[model] = gpus.get(model, 0) + count
    feature_set = frozenset() if features in _NOTHING else frozenset(features.split(","))
    return Node(name, partition, gpus, int(mem_mb.rstrip("+")), int(cpus.rstrip("+")), feature_set, state)


def _parse_gpus(gres: str) -> Iterator[tuple[str, int]]:
    """(model, count) of a node's GPUs, from its generic resources: gpu:4, gpu:h100:4, gpu:h100:4(S:0-1),nvme:1."""
    for word in re.sub(r"\([^)]*\)", "", gres).split(","):
        kind, *rest = word.split(":")
        if kind == "gpu" and rest and rest[-1].isdigit():
            yield ":".join(rest[:-1]), int(rest[-1])
