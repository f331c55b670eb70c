"""The least time that the full study on 8 H100 can take, stage by stage, beside what `prefdelta plan` assumes.

A stage can be no faster than its floating point operations at the GPU's peak, or its bytes at the GPU's bandwidth,
whichever takes longer (Williams et al. 2009). Tokens are the plan's; sizes of models are those of their public cards;
peak and bandwidth those of the H100 SXM's data sheet. What is reached in practice is a share of it: 30 to 60% in most
reports of training and of batched decoding.

PYTHONPATH=src python benchmarks/roofline.py      from the repository root, some 10 s; no GPU is needed
"""

import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate

from prefdelta.commands.planning.causes import find_causes
from prefdelta.commands.planning.dry_run import planned_jobs
from prefdelta.commands.planning.models import model_of
from prefdelta.commands.planning.observed_speed import ObservedSpeed
from prefdelta.commands.planning.work import Reckoning
from prefdelta.commands.snakemake_command import profile_options
from prefdelta.commands.study_options import open_study

GPUS = 8
PEAK = {2: 989e12, 4: 495e12}  # floating point operations per second by bytes of a number: bfloat16, TF32; dense
BANDWIDTH = 3.35e12  # bytes per second
MEMORY = 80e9 * 0.9  # bytes of a GPU that an engine uses
MOST_SEQUENCES = 256  # that vLLM decodes at a time, by default


@dataclass(frozen=True, slots=True)
class Model:
    """What a token costs."""

    parameters: float  # all
    active: float  # that one token multiplies
    layers: int
    width: int
    kv_width: int  # key-value heads x their width
    weight_bytes: float  # of all parameters as they are served
    number_bytes: int = 2  # of the numbers that are multiplied

    @property
    def kv_bytes(self) -> int:
        """Bytes that one token leaves in the cache."""
        return 2 * self.layers * self.kv_width * self.number_bytes

    def flops(self, length: float) -> float:
        """Operations of one token's forward pass, as a mean over a causal sequence of `length` tokens."""
        return 2 * self.active + 2 * self.layers * self.width * length


MODELS = {
    "s1-3b": Model(3.09e9, 3.09e9, 36, 2048, 256, 6.2e9),
    "s1-7b": Model(7.62e9, 7.62e9, 28, 3584, 512, 15.2e9),
    "s1-14b": Model(14.8e9, 14.8e9, 48, 5120, 1024, 29.5e9),
    "s1-32b": Model(32.8e9, 32.8e9, 64, 5120, 1024, 65.5e9),
    "nemotron-8b": Model(8.03e9, 8.03e9, 32, 4096, 1024, 16.1e9),
    "gpt-oss-120b": Model(117e9, 5.1e9, 36, 4096, 512, 63e9),
}
IN_FLOAT32 = Model(8.03e9, 8.03e9, 32, 4096, 1024, 32.1e9, 4)  # the policy as `evaluate` serves it


def decoding(model: Model, written: float, length: float, read: float = 0.0) -> float:
    """GPU seconds that `written` tokens take, of answers of `length` tokens, with `read` prompt tokens of each.

    As few GPUs serve one copy as hold the weights twice over; the rest of their memory holds the cache of the
    sequences that are decoded at a time. One step reads the weights once and the cache of each sequence.
    """
    gpus = 1
    while gpus * MEMORY < 2 * model.weight_bytes:
        gpus *= 2
    context = read + length / 2
    at_a_time = min(MOST_SEQUENCES, (gpus * MEMORY - model.weight_bytes) / (model.kv_bytes * context))
    step_bytes = (model.weight_bytes + at_a_time * context * model.kv_bytes) / BANDWIDTH
    step_flops = at_a_time * model.flops(context) / PEAK[model.number_bytes]
    prefill = read / length * model.flops(read) / PEAK[model.number_bytes]
    return written * (max(step_bytes, step_flops) / at_a_time + prefill)


def reading(model: Model, tokens: float, length: float, passes: float = 1.0) -> float:
    """GPU seconds of `passes` forward passes over tokens. A gradient is two more, a recomputed forward pass one."""
    return tokens * passes * model.flops(length) / PEAK[2]


def main() -> None:
    """Print the table."""
    study, options = open_study(None), profile_options(None)
    jobs = planned_jobs(options)
    reckoning = Reckoning(study, jobs, find_causes(study, jobs), ObservedSpeed(study))
    trace, answer = 5000.0, 4000.0  # tokens: compute.generate.tokens_per_call, compute.evaluate.tokens_per_call
    verdict, judged = 1200.0, 4800.0  # tokens a judge writes; it reads four times as many
    least: defaultdict[str, float] = defaultdict(float)
    planned: defaultdict[str, float] = defaultdict(float)
    tokens_of: defaultdict[str, float] = defaultdict(float)
    for job in jobs:
        work, model = reckoning.of(job), model_of(study, job.stage, job.name)
        tokens = work.tokens.value
        if not tokens or model is None:
            continue
        its = MODELS[model]
        match job.stage:
            case "generate":
                seconds = decoding(its, tokens, trace)
            case "judge":
                seconds = decoding(its, tokens, verdict, judged)
            case "reference":
                seconds = reading(its, tokens, trace)
            case "train":
                seconds = reading(its, tokens, trace, passes=4)
            case _:
                seconds = decoding(IN_FLOAT32, tokens, answer)
        least[job.stage] += seconds / 3600
        planned[job.stage] += work.gpu_hours.value
        tokens_of[job.stage] += tokens
    rows = [
        (stage, tokens_of[stage] / 1e9, hours, hours / GPUS, planned[stage], f"{hours / planned[stage]:.0%}")
        for stage, hours in least.items()
    ]
    total, all_planned = sum(least.values()), sum(planned.values())
    rows.append(("all", sum(tokens_of.values()) / 1e9, total, total / GPUS, all_planned, f"{total / all_planned:.0%}"))
    headers = ("stage", "G tokens", "GPU-h at least", f"h on {GPUS} H100", "GPU-h planned", "least / planned")
    print(tabulate(rows, headers, floatfmt=(".0f", ".2f", ".0f", ".1f", ".0f", ".0f"), tablefmt="github"))


if __name__ == "__main__":
    assert Path("config.yaml").is_file(), "start it from the repository root"
    sys.exit(main())
