import pytest

from prefdelta.training.tokenizer import character_tokenizer
from prefdelta.training.tokens import PreferenceRow, tokenise

from .by_hand import completion_logp, load

TEXTS = [
    ("Q:1+1?", "1+1=2;A:2", "1+1=3;A:3"),
    ("Q:2*3?", "2*3=6;A:6", "2*3=5;A:5"),
    ("Q:5*5+4?", "5*5=5;5+4=9;A:9", "5*5=5;hm;hm;5+4=8;A:8"),
    ("Q:3-1?", "3-1=2;A:2", "A:2"),
    ("Q:4-5?", "4-5=9;A:9", "4-5=1;A:1"),
    ("Q:2+2+2?", "2+2=4;4+2=6;A:6", "2+2=4;A:4"),
    ("Q:1-2?", "1-2=9;A:9", "hm;hm;hm;1-2=9;A:9"),
    ("Q:3*3?", "3*3=9;A:9", "3*3=6;A:6"),
]


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Small matrices are slower on more threads, and the number of threads is part of what determines the bits."""
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tokenizer():
    return character_tokenizer()


@pytest.fixture(scope="session")
def base(tmp_path_factory, tokenizer):
    """The folder of a tiny Llama with random weights, large enough to tell tokens apart, and its tokenizer."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=128,
        initializer_range=0.3,
        tie_word_embeddings=False,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    folder = tmp_path_factory.mktemp("base")
    LlamaForCausalLM(shape).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def rows(base, tokenizer):
    """Eight pairs with the reference log-probabilities of the base model, computed token by token."""
    model, found = load(base), []
    for question, *texts in TEXTS:
        chosen, rejected = (tokenise(tokenizer, [("user", question)], text) for text in texts)
        logps = [completion_logp(model, side.prompt, side.completion) for side in (chosen, rejected)]
        found.append(PreferenceRow(chosen.prompt, chosen.completion, rejected.completion, *logps))
    return found
