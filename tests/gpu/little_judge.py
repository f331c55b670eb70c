"""A language model that can be served as a judge: tiny, for any text, and with nothing but noise for an opinion.

The ladder's own models cannot be: their tokenizer knows the characters of the tasks alone, and no `{`.
"""

import json
from pathlib import Path
from random import Random
from typing import Any

from prefdelta.training.tokenizer import ASSISTANT, BOS, CHAT_TEMPLATE, EOS, PAD, USER

SPECIAL = [PAD, BOS, EOS, USER, ASSISTANT]
LENGTH = 16_384  # tokens, that is bytes, of prompt and reply


def byte_tokenizer() -> Any:
    """One token per byte, and the special ones of the ladder."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocabulary = {token: index for index, token in enumerate([*SPECIAL, *alphabet])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.decoder = decoders.ByteLevel()
    new_tokenizer: Any = PreTrainedTokenizerFast
    return new_tokenizer(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        additional_special_tokens=[USER, ASSISTANT],
        chat_template=CHAT_TEMPLATE,
    )


def make_judge(folder: Path, dimensions: list[str], steps: int = 100) -> None:
    """Train it to reply with verdicts, so that it ends them: an untrained model writes spaces for ever."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.set_num_threads(1)
    torch.manual_seed(0)
    random = Random(0)
    tokenizer = byte_tokenizer()
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=LENGTH,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    model: Any = LlamaForCausalLM(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.005)
    for _ in range(steps):
        verdicts = [json.dumps({name: random.randint(1, 5) for name in dimensions}) for _ in range(16)]
        rows = tokenizer([f"{ASSISTANT}{verdict}{EOS}" for verdict in verdicts], return_tensors="pt").input_ids
        optimizer.zero_grad()
        model(input_ids=rows, labels=rows).loss.backward()
        optimizer.step()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
