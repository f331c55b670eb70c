"""Runs every module of this folder that prints lines, each in a process of its own, and passes on what they print.

    make bench                      all of them; BENCH_ROUNDS=1 for a first look
    make bench ONLY="pairs plan"    some of them

A module that fails is named at the end, and the exit code is 1.
"""

import argparse
import subprocess
import sys
import time
from pathlib import Path

HELPERS = ("__init__", "__main__", "earlier", "side_by_side", "training_pairs")
MODULES = sorted(path.stem for path in Path(__file__).parent.glob("*.py") if path.stem not in HELPERS)


def main() -> int:
    """Run the modules; returns the exit code."""
    parser = argparse.ArgumentParser(prog="bench", description=str(__doc__))
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"which: {', '.join(MODULES)}; all by default")
    chosen = parser.parse_args().modules or MODULES
    failed = []
    for name in chosen:
        started = time.monotonic()
        code = subprocess.run([sys.executable, "-m", f"bench.{name}"]).returncode
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)
        if code:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
