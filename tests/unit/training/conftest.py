import pytest

from prefdelta.training.tokenizer import character_tokenizer


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
