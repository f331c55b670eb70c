#!/usr/bin/env bash
# Guess: the message of openai's APIStatusError holds what the server said, whatever form its error has.
# Found: it holds the words of two forms. Of FastAPI's (vLLM, many gateways), of an error that is a text, of Mistral's
# and of Google's it has the status alone. What is lost is in `body`, and whole in `response.text`.
# Output seen, with openai 3.54.0, of a server whose every error says "unknown field":
#   OpenAI's         'Error code: 422 - unknown field'
#   a message alone  'Error code: 422 - unknown field'
#   FastAPI's        'Error code: 422'
#   a text           'Error code: 422'
#   Mistral's        'Error code: 422'
#   Google's         'Error code: 422'
# So a log that shows str(error) does not say which parameter a server refuses.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check openai==3.54.0
"$folder/venv/bin/python" - <<'PYTHON'
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai

FORMS = {
    "OpenAI's": ({"error": {"message": "unknown field"}}, "Error code: 422 - unknown field"),
    "a message alone": ({"message": "unknown field"}, "Error code: 422 - unknown field"),
    "FastAPI's": ({"detail": [{"loc": ["body", "seed"], "msg": "unknown field"}]}, "Error code: 422"),
    "a text": ({"error": "unknown field"}, "Error code: 422"),
    "Mistral's": ({"message": {"detail": [{"msg": "unknown field"}]}}, "Error code: 422"),
    "Google's": ([{"error": {"message": "unknown field"}}], "Error code: 422"),
}
asked = []


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        body = json.dumps(asked[-1]).encode()
        self.send_response(422)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
threading.Thread(target=server.serve_forever, daemon=True).start()
client = openai.OpenAI(api_key="none", base_url=f"http://127.0.0.1:{server.server_port}/v1", max_retries=0)
print("openai", openai.__version__)
for name, (body, expected) in FORMS.items():
    asked.append(body)
    try:
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    except openai.APIStatusError as error:
        print(f"{name:16} {error.message!r}")
        assert error.message == expected, f"expected {expected!r}"
        assert "unknown field" in error.response.text
    else:
        raise SystemExit("no error was raised")
PYTHON
