"""SLURM's commands, as executables that print what Debian's SLURM 22.05 printed (recorded/)."""

from pathlib import Path

RECORDED = Path(__file__).parent / "recorded"
UP, DOWN = "Slurmctld(primary) at head is UP", "Slurmctld(primary) at head is DOWN"
WITH_ACCOUNTS = {"accounting_storage/none": "accounting_storage/slurmdbd"}
_SCONTROL = """case "$*" in
  ping) cat {0}/ping.txt ;;
  "show config") cat {0}/config.txt ;;
  "--all --oneliner show partition") cat {0}/partitions.txt ;;
  *) exit 1 ;;
esac"""


class FakeSlurm:
    """In a folder for the PATH. `edit` changes what is printed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        for path in RECORDED.iterdir():
            (folder / path.name).write_text(path.read_text())
        (folder / "ping.txt").write_text(UP)
        (folder / "accounts.txt").write_text("")
        self.program("scontrol", _SCONTROL.format(folder))
        self.program("sinfo", f"cat {folder}/nodes.txt")
        self.program("sacctmgr", f"cat {folder}/accounts.txt")
        for name in ("sbatch", "squeue", "scancel"):
            self.program(name, "exit 0")

    def program(self, name: str, script: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (self.folder / name).chmod(0o755)

    def edit(self, file: str, changes: dict[str, str]) -> None:
        text = (self.folder / f"{file}.txt").read_text()
        for old, new in changes.items():
            assert old in text, f"{file}: {old}"
            text = text.replace(old, new)
        (self.folder / f"{file}.txt").write_text(text)
