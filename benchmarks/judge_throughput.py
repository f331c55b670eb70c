"""Requests per second of the judge's client, against plain aiohttp doing the same with the same server.

The server is mini's own judge (prefdelta.servers.rules), a process of its own on loopback; requests are the judge
stage's: its template, its rubrics, a JSON schema. Both clients keep 64 requests in flight and parse the reply's JSON.
Rounds alternate, so that a noisy machine is noisy for both. The ratio says what typed replies, retries and deadlines
cost.

python benchmarks/judge_throughput.py [--requests 2000] [--rounds 3]      from the repository root, some 30 s
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from contextlib import nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp

from prefdelta.core.asking.engine_options import OpenAIOptions, RulesServer
from prefdelta.core.asking.judge_prompt import join_rubrics, judge_prompt
from prefdelta.core.asking.requests import Endpoint, Reply, Request, Sampling
from prefdelta.core.asking.verdicts import verdict_schema
from prefdelta.core.tasks.families import FAMILIES, draw_problems
from prefdelta.core.tasks.rating import DIMENSIONS
from prefdelta.core.tasks.steps import clean_trace
from prefdelta.engines.openai.engine import OpenAIEngine
from prefdelta.servers import rules
from prefdelta.servers.process import serve

RESOURCES = Path(__file__).parents[1] / "resources"
IN_FLIGHT = 64


def requests(n: int) -> list[tuple[str, Request]]:
    """What the judge stage would ask about n clean traces."""
    template = (RESOURCES / "templates/judge.md").read_text(encoding="utf-8").strip()
    rubric = join_rubrics((name, (RESOURCES / f"rubrics/{name}.md").read_text()) for name in DIMENSIONS)
    sampling = Sampling(temperature=0.6, max_tokens=256, reasoning_effort="medium")
    plan = []
    for index, problem in enumerate(islice(draw_problems("maths", [4, 5], "pairs", seed=1), n)):
        trace = clean_trace(FAMILIES["maths"], problem)
        text = judge_prompt(template, "judge.md", form="logic", rubric=rubric, problem=problem.question, trace=trace)
        schema = verdict_schema(DIMENSIONS)
        plan.append((f"key {index}", Request((("user", text),), sampling, index, response_schema=schema)))
    return plan


def by_engine(endpoint: Endpoint, plan: list[tuple[str, Request]]) -> int:
    """Replies that the study's engine gets."""
    options = OpenAIOptions(name="openai", model="rules", base_url=endpoint.base_url, in_flight=IN_FLIGHT)
    engine = OpenAIEngine(options, lambda: nullcontext(endpoint), {})
    return sum(isinstance(result, Reply) for result in engine.run(plan, {key for key, _ in plan}))


def by_aiohttp(endpoint: Endpoint, plan: list[tuple[str, Request]]) -> int:
    """Replies that a loop over aiohttp gets, without retries, deadlines or types."""
    waiting = iter([body_of(request) for _, request in plan])
    got = 0

    async def work(session: aiohttp.ClientSession) -> None:
        nonlocal got
        for body in waiting:
            async with session.post(f"{endpoint.base_url}/chat/completions", json=body) as reply:
                got += bool((await reply.json())["choices"][0]["message"]["content"])

    async def all_of_them() -> None:
        headers = {"Authorization": f"Bearer {endpoint.api_key}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            await asyncio.gather(*(work(session) for _ in range(IN_FLIGHT)))

    asyncio.run(all_of_them())
    return got


def body_of(request: Request) -> dict[str, Any]:
    schema = {"name": "verdict", "schema": request.response_schema, "strict": True}
    return {
        "model": "rules",
        "messages": [{"role": role, "content": content} for role, content in request.messages],
        "temperature": request.sampling.temperature,
        "top_p": request.sampling.top_p,
        "max_completion_tokens": request.sampling.max_tokens,
        "seed": request.seed,
        "reasoning_effort": request.sampling.reasoning_effort,
        "response_format": {"type": "json_schema", "json_schema": schema},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2000)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    plan = requests(arguments.requests)
    rates: dict[str, list[float]] = {"engine": [], "aiohttp": []}
    with serve(partial(rules.command, RulesServer(name="rules", noise=0.15)), "rules", start_s=60) as endpoint:
        by_engine(endpoint, plan[:100])  # imports and warms both ends
        for _ in range(arguments.rounds):
            for name, client in (("engine", by_engine), ("aiohttp", by_aiohttp)):
                started = time.perf_counter()
                got = client(endpoint, plan)
                rates[name].append(len(plan) / (time.perf_counter() - started))
                if got != len(plan):
                    sys.exit(f"{name}: {got} replies to {len(plan)} requests")
    engine, plain = (statistics.median(rates[name]) for name in ("engine", "aiohttp"))
    result = {"engine_per_s": round(engine), "aiohttp_per_s": round(plain), "ratio": round(engine / plain, 2)}
    sys.stdout.write(json.dumps({**result, "requests": len(plan), "in_flight": IN_FLIGHT}) + "\n")


if __name__ == "__main__":
    main()
