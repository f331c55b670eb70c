#!/usr/bin/env bash
# Guess: a pair whose prompt is longer than max_length is an error of TRL's DPOTrainer, or is said in a warning.
# Found: it is taken out of the data set. A progress bar names the step; no log and no warning says how many rows went. A
# pair whose prompt leaves room for one token stays: of its two completions the first token is left, and where they begin
# alike nothing can be learnt from it.
# Output seen, with trl 1.16.0, max_length 8, three pairs whose completions begin with the same word:
#   prompts of 2, 7 and 8 tokens:   2 rows are left
#   warnings and logs about it:     0
#   completions of the second:      one token each, the same
# So rows have to be counted, and checked for what is left of them, before a data set goes to the trainer.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check trl==1.16.0 transformers==5.23.0 torch==2.13.0 datasets==5.2.0
cd "$folder"
HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 venv/bin/python - <<'PYTHON'
import logging
import warnings

import trl
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
from trl import DPOConfig, DPOTrainer

MAX_LENGTH = 8
words = ["<eos>", "a", "b", "same", "good", "bad"]
backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="a"))
backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>", pad_token="<eos>")
config = LlamaConfig(vocab_size=len(words), hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1)
LlamaForCausalLM(config).save_pretrained("model")
rows = [{"prompt": " ".join(["a"] * n), "chosen": " same good", "rejected": " same bad"} for n in (2, 7, 8)]

messages = []


class Kept(logging.Handler):
    def emit(self, record):
        if record.levelno >= logging.WARNING:
            messages.append(record.getMessage())


for name in ("", "trl", "transformers", "datasets", "accelerate"):
    logging.getLogger(name).addHandler(Kept())
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    trainer = DPOTrainer(
        "model",
        args=DPOConfig(output_dir="out", max_length=MAX_LENGTH, use_cpu=True, bf16=False, report_to=[]),
        train_dataset=Dataset.from_list(rows),
        processing_class=tokenizer,
    )
about = [text for text in [*messages, *(str(one.message) for one in caught)] if "drop" in text.lower() or "max_length" in text]
left = trainer.train_dataset
print("trl", trl.__version__)
print(f"prompts of 2, 7 and 8 tokens:   {len(left)} rows are left")
print(f"warnings and logs about it:     {len(about)}")
assert len(left) == 2 and not about, about
(second,) = [row for row in left if len(row["prompt_ids"]) == 7]
chosen, rejected = (second[side][: MAX_LENGTH - 7] for side in ("chosen_ids", "rejected_ids"))
batch = trainer.data_collator([second])
print(f"completions of the second:      {'one token each, the same' if chosen == rejected and len(chosen) == 1 else 'other'}")
assert chosen == rejected and len(chosen) == 1
completions = batch["input_ids"][batch["completion_mask"].bool()].tolist()
assert completions == [*chosen, *rejected], completions
PYTHON
