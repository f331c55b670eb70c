#!/usr/bin/env bash
# Guess: apply_chat_template(..., strftime_now=f) pins the date of a template that calls strftime_now, since what is
# passed by name is a variable of the template and hides the function of that name.
# Found: it does hide it, but a function does not get there. Values that are no plain data become a text that names
# their type (`<function>`, a date `<date>`), so the call raises TypeError, and a date that is printed prints `<date>`.
# Output seen, with transformers 5.23.0, tokenizers 0.23.3 and jinja2 3.1.6, in the year 2026:
#   strftime_now of the library:       '2026'
#   strftime_now=<a function>:         TypeError: 'str' object is not callable
#   day=<a date>, day=<a text>:        '<date>', '1999-01-02'
#   a macro of that name in the text:  '1999'
# So the clock of a template has to be pinned in the template's own text, or the date be passed as a text.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check transformers==5.23.0 tokenizers==0.23.3 jinja2==3.1.6
"$folder/venv/bin/python" - <<'PYTHON' 2>&1 | grep -v "PyTorch was not found"
import datetime

import transformers
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel({"a": 0}, unk_token="a")))
MESSAGES = [{"role": "user", "content": "hi"}]


def rendered(template, **variables):
    tokenizer.chat_template = template
    return tokenizer.apply_chat_template(MESSAGES, tokenize=False, **variables)


print("transformers", transformers.__version__)
today = rendered("{{ strftime_now('%Y') }}")
print(f"strftime_now of the library:       {today!r}")
assert today == datetime.date.today().strftime("%Y")
try:
    found = rendered("{{ strftime_now('%Y') }}", strftime_now=lambda form: "1999")
except TypeError as error:
    print(f"strftime_now=<a function>:         TypeError: {error}")
else:
    raise SystemExit(f"it was called: {found!r}")
found = rendered("{{ day }}", day=datetime.date(1999, 1, 2)), rendered("{{ day }}", day="1999-01-02")
print(f"day=<a date>, day=<a text>:        {found[0]!r}, {found[1]!r}")
assert found == ("<date>", "1999-01-02")
found = rendered("{% macro strftime_now(form) %}1999{% endmacro %}{{ strftime_now('%Y') }}")
print(f"a macro of that name in the text:  {found!r}")
assert found == "1999"
PYTHON
