from random import Random

import pytest

from prefdelta.core.rungs import Corpus, LadderSection, Rung
from prefdelta.core.tasks.corpus import ErrorRates, corrupted_trace
from prefdelta.core.tasks.families import FAMILIES
from prefdelta.training import ladder
from prefdelta.training.tokenizer import encode
from prefdelta.training.tokens import tokenise

SECTION = LadderSection(
    muon_learning_rate=0.02,
    adamw_learning_rate=0.01,
    warmup_steps=5,
    decay_share=0.4,
    attempts=1,
    measured_items=1,
)


def rung(architecture):
    return Rung(
        architecture=architecture,
        width=16,
        layers=2,
        heads=2,
        steps=50,
        batch_size=4,
        corpora=[Corpus(family="maths", operations=[1, 2])],
        error_rates=ErrorRates(),
        seed=1,
        windows=[],
    )


@pytest.mark.parametrize(
    ("architecture", "ends", "matrices"),
    [
        ("llama", {"model.embed_tokens.weight", "lm_head.weight"}, 2 * 7),
        ("gpt2", {"transformer.wte.weight", "transformer.wpe.weight", "lm_head.weight"}, 2 * 4),
    ],
)
def test_muon_gets_the_hidden_matrices_and_adamw_embeddings_positions_head_and_vectors(
    tokenizer, architecture, ends, matrices
):
    model = ladder._new_model(rung(architecture), tokenizer)
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    (muon, muon_rate), (adamw, adamw_rate) = ladder._optimizers(model, SECTION)
    in_muon, in_adamw = (
        [parameter for group in optimizer.param_groups for parameter in group["params"]] for optimizer in (muon, adamw)
    )
    assert (muon_rate, adamw_rate) == (0.02, 0.01)
    assert len(in_muon) == matrices
    assert {names[id(parameter)] for parameter in in_adamw if parameter.ndim == 2} == ends
    assert len(in_muon) + len(in_adamw) == len(names)


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
def test_the_fast_encoding_is_that_of_the_chat_template(tokenizer, family):
    random = Random(3)
    rates = ErrorRates(strategy_coherence=0.3, signal_to_noise=0.5)
    for n_operations in (1, 3, 5):
        problem = family.draw(random, n_operations)
        trace = corrupted_trace(family, problem, rates, random)
        expected = tokenise(tokenizer, [("user", problem.question)], trace)
        assert encode(tokenizer.get_vocab(), problem.question, trace) == expected


def test_only_completions_are_learnt(tokenizer):
    batch = ladder._batch(ladder.draw_rows(rung("llama"), SECTION)[:4], tokenizer, check=True)
    for ids, labels in zip(batch["input_ids"].tolist(), batch["labels"].tolist(), strict=True):
        start = ids.index(tokenizer.convert_tokens_to_ids("<assistant>")) + 1
        end = ids.index(tokenizer.eos_token_id) + 1
        assert labels[start:end] == ids[start:end]
        assert set(labels[:start] + labels[end:]) == {ladder.IGNORED}
        assert set(ids[end:]) <= {tokenizer.pad_token_id}


def test_the_learning_rate_rises_stays_and_falls():
    rates = [ladder._rate(step, 50, SECTION) for step in range(50)]
    assert rates[:6] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])
    assert rates[29:32] == pytest.approx([1.0, 1.0, 0.95])
    assert rates[-1] == pytest.approx(0.05)
