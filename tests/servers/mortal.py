"""A judge that dies of some questions, as a program: it answers OK, and writes down whom it was asked by when.

python mortal.py --port 8011 --dies-of WORD --after N --diary FILE

It exits with code 7 at a question that holds WORD, if it has answered N questions before.
"""

import argparse
import json
import os
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

parser = argparse.ArgumentParser()
parser.add_argument("--port", type=int)
parser.add_argument("--dies-of")
parser.add_argument("--after", type=int, default=0)
parser.add_argument("--diary")
arguments = parser.parse_args()
lock = threading.Lock()
answered = 0


def note(line: str) -> None:
    with lock, open(arguments.diary, "a", encoding="utf-8") as diary:  # noqa: PTH123
        diary.write(f"{line}\n")


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        global answered
        question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["messages"][-1]["content"]
        note(f"asked {question}")
        time.sleep(0.02)  # so that others are asked meanwhile
        if arguments.dies_of in question and answered >= arguments.after:
            os._exit(7)
        answered += question.startswith("question")
        note(f"answered {question}")
        choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": f"re: {question}"}}
        head = {"id": "x", "object": "chat.completion", "created": 1, "model": "mortal"}
        content = json.dumps({**head, "choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: Any) -> None:
        pass


note("started")
ThreadingHTTPServer(("127.0.0.1", arguments.port), Handler).serve_forever()
