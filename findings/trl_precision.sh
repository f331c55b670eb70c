#!/usr/bin/env bash
# Guess: TRL's configs leave precision as transformers does: float32 unless bf16 is asked for, on a CPU above all.
# Found: DPOConfig, KTOConfig and SFTConfig have bf16=True where nothing is said, also with use_cpu=True. Float32 weights
# then compute under autocast: the first step's gradient of DPO is another than in float32.
# Output seen, with trl 1.16.0 and transformers 5.23.0:
#   TrainingArguments: bf16=False
#   SFTConfig: bf16=True   DPOConfig: bf16=True   KTOConfig: bf16=True
#   DPO, first gradient norm: as it is 1.252268, with bf16=False 1.252197
# So a training that shall be compared with one in float32 has to say bf16=False.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check trl==1.16.0 transformers==5.23.0 torch==2.13.0 datasets==5.2.0
cd "$folder"
HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1 venv/bin/python - <<'PYTHON'
import torch
import transformers
import trl
from datasets import Dataset
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, TrainingArguments
from trl import DPOConfig, DPOTrainer, KTOConfig, SFTConfig

print("trl", trl.__version__, "transformers", transformers.__version__)
precision = {kind.__name__: kind(output_dir="o", use_cpu=True).bf16 for kind in (TrainingArguments, SFTConfig, DPOConfig, KTOConfig)}
for name, bf16 in precision.items():
    print(f"{name}: bf16={bf16}")
assert precision == {"TrainingArguments": False, "SFTConfig": True, "DPOConfig": True, "KTOConfig": True}

words = ["<eos>", *map(str, range(60))]
backend = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token="0"))
backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<eos>", pad_token="<eos>")
torch.manual_seed(0)
config = LlamaConfig(vocab_size=len(words), hidden_size=64, intermediate_size=128, num_hidden_layers=2, num_attention_heads=4)
LlamaForCausalLM(config).save_pretrained("model")
numbers = torch.randint(60, (8, 3, 12)).tolist()
rows = [
    {"prompt": " ".join(map(str, p)), "chosen": " " + " ".join(map(str, c)), "rejected": " " + " ".join(map(str, r))}
    for p, c, r in numbers
]


def first_norm(**options):
    arguments = DPOConfig(
        output_dir="o", use_cpu=True, max_steps=1, per_device_train_batch_size=8, logging_steps=1, report_to=[],
        save_strategy="no", disable_tqdm=True, **options,
    )
    trainer = DPOTrainer("model", args=arguments, train_dataset=Dataset.from_list(rows), processing_class=tokenizer)
    trainer.train()
    return next(entry["grad_norm"] for entry in trainer.state.log_history if "grad_norm" in entry)


as_it_is, single, again = first_norm(), first_norm(bf16=False), first_norm(bf16=False)
print(f"DPO, first gradient norm: as it is {as_it_is:.6f}, with bf16=False {single:.6f}")
assert single == again
assert as_it_is != single
PYTHON
