"""A job that asks a model through vLLM and the record, as a program: something to kill.

python asking.py CHECKPOINT RECORD N
"""

import os
import sys
from pathlib import Path

from prefdelta.core.asking.engine_options import VLLMOptions
from prefdelta.core.asking.requests import Request, Sampling
from prefdelta.engines.vllm import VLLMEngine
from prefdelta.records.call import Call
from prefdelta.store import calls
from prefdelta.store.record import Record
from prefdelta.system.processes import stop_on_signals

OPTIONS = VLLMOptions(name="vllm", dtype="float32", max_length=128, max_sequences=16, gpu_memory_share=0.3)
SAMPLING = Sampling(temperature=1.0, max_tokens=60)


def requests(n: int) -> list[Request]:
    return [Request((("user", f"Q:{i % 9 + 1}+{i % 7 + 1}?"),), SAMPLING, seed=i) for i in range(n)]


def main() -> None:
    stop_on_signals()
    checkpoint, record, n = sys.argv[1:]
    engine = VLLMEngine(Path(checkpoint), "weights", OPTIONS)
    answers = calls.ask_missing(engine, requests(int(n)), Record(Path(record), Call, flush_seconds=0.5), "asking")
    sys.stdout.write(f"asked {answers.asked}\n")


if __name__ == "__main__":
    try:
        main()
    except SystemExit as stopped:  # by a signal: as every stage does, without taking the interpreter apart
        sys.stderr.flush()
        os._exit(int(stopped.code or 0))
