"""Mini's judge: a small server that speaks the OpenAI chat-completions protocol and rates procedural traces.

It is rule-based, not an LLM. It sees only the messages, as an LLM judge would, and takes the problem and the trace from
them. It solves the problem itself, scores each dimension of the JSON schema by its definition
(`prefdelta.core.tasks.rating`), and adds noise keyed by (messages, dimension, request seed): a share `noise` of all
scores is one step off, also of those at the ends of the scale.

When it ends, it writes to stderr how many verdicts it served: `rules: served 120 verdicts`. Completions without a
response_format, such as those for canaries, do not count.

By hand:  PREFDELTA_SERVER_KEY=secret python -m prefdelta.servers.rules --port 8011 --noise 0.1
"""

import argparse
import asyncio
import hmac
import json
import os
import re
import signal
import sys
import time
from typing import TYPE_CHECKING, Any, NoReturn

from prefdelta.core.ids import digest, fraction
from prefdelta.core.tasks.rating import one_step_off, rate
from prefdelta.system.log import say

if TYPE_CHECKING:
    from aiohttp import web

    from prefdelta.core.asking.engine_options import RulesServer

MODEL = "rules"
# The sections of resources/templates/judge.md; the last closing mark counts, so a trace cannot end its section early.
_PROBLEM = re.compile(r"<problem>\n(.*?)\n</problem>", re.DOTALL)
_TRACE = re.compile(r"<trace>\n(.*)\n</trace>", re.DOTALL)


def command(settings: "RulesServer", port: int) -> list[str]:
    """The command line that starts this server."""
    noise = ["--noise", repr(settings.noise)]
    return [sys.executable, "-m", "prefdelta.servers.rules", "--port", str(port), *noise]


def reply_to(body: dict[str, Any], noise: float) -> str:
    """The assistant's message for a request body.

    Raises ValueError if the body asks for scores but holds no problem and trace that can be rated.
    """
    messages = body["messages"]
    try:
        dimensions = list(body["response_format"]["json_schema"]["schema"]["properties"])
    except (KeyError, TypeError):
        return "OK. This is a rule-based judge of procedural traces, not a language model."
    text = "\n".join(str(message["content"]) for message in messages)
    problem, trace = _PROBLEM.search(text), _TRACE.search(text)
    if problem is None or trace is None:
        raise ValueError("the messages hold no <problem> and <trace>")
    scores = rate(problem[1], trace[1])
    if scores is None:
        raise ValueError("the problem is of no known family")
    if unknown := set(dimensions) - set(scores):
        raise ValueError(f"cannot rate {', '.join(sorted(unknown))}; can rate {', '.join(scores)}")
    place = digest(messages)
    return json.dumps({name: _noisy(scores[name], noise, place, name, body.get("seed")) for name in dimensions})


def _noisy(score: int, noise: float, *key: Any) -> int:
    """The score; with probability `noise`, a score beside it."""
    return one_step_off(score, fraction("side", *key) < 0.5) if fraction("noise", *key) < noise else score


def main() -> None:
    from aiohttp import web

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, required=True, help="loopback port to listen on")
    parser.add_argument("--noise", type=float, required=True, help="share of scores that are off by one")
    arguments = parser.parse_args()
    expected = f"Bearer {os.environ['PREFDELTA_SERVER_KEY']}".encode()
    served = 0

    async def complete(request: "web.Request") -> "web.Response":
        nonlocal served
        if not hmac.compare_digest(request.headers.get("Authorization", "").encode(errors="surrogateescape"), expected):
            return web.json_response({"error": {"message": "wrong key"}}, status=401)
        try:
            body = await request.json()
            content = reply_to(body, arguments.noise)
        except (ValueError, KeyError, TypeError) as error:
            return web.json_response({"error": {"message": f"bad request: {error}"}}, status=400)
        usage = {"prompt_tokens": 0, "completion_tokens": len(content), "total_tokens": len(content)}
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        head = {"id": "rules", "object": "chat.completion", "created": int(time.time()), "model": MODEL}
        served += body.get("response_format") is not None
        return web.json_response({**head, "choices": [choice], "usage": usage})

    application = web.Application(client_max_size=2**24)
    application.router.add_post("/v1/chat/completions", complete)
    loop = asyncio.new_event_loop()

    def stop() -> NoReturn:
        """End. Ignore a second signal (Ctrl-C, then the job's SIGTERM) that comes before the count is printed."""
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_IGN)
        raise web.GracefulExit

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    try:
        web.run_app(
            application,
            host="127.0.0.1",
            port=arguments.port,
            print=None,
            access_log=None,
            shutdown_timeout=1.0,
            handle_signals=False,
            loop=loop,
        )
    finally:
        say(f"rules: served {served} verdicts")


if __name__ == "__main__":
    main()
