import pytest
from pydantic import ValidationError

from prefdelta.core.errors import StudyError
from prefdelta.training import micro_batches
from prefdelta.training.methods.kto import KTORecipe
from prefdelta.training.micro_batches import rows_per_micro_batch

from .by_hand import load
from .making import RECIPES, train


def trained(method, base, rows, folder, **changes):
    measured = train(base, rows, RECIPES[method].model_copy(update=changes), folder)
    return load(folder).state_dict(), measured["curve"]


# The last update of a pass over eight rows (or sixteen traces) has fewer of them, and of KTO once only one part.
@pytest.mark.parametrize(
    ("method", "whole", "part"), [("dpo", 3, 1), ("dpo", 6, 3), ("sft", 3, 1), ("kto", 12, 2), ("kto", 14, 2)]
)
def test_an_update_in_micro_batches_is_the_update_as_a_whole(method, whole, part, base, rows, tmp_path):
    one, one_curve = trained(method, base, rows, tmp_path / "one", batch_size=whole)
    many, many_curve = trained(method, base, rows, tmp_path / "many", batch_size=whole, micro_batch_size=part)
    for name in one:
        assert many[name] == pytest.approx(one[name], abs=1e-6)
    for name in one_curve.keys() - {"rewards/accuracies"}:  # of margins of 0, before the first update
        assert many_curve[name] == pytest.approx(one_curve[name], abs=2e-5), name
    moved = max((one[name] - before).abs().max() for name, before in load(base).state_dict().items())
    assert moved > 1e-3  # else the numbers would say nothing


def test_rows_of_one_forward_pass_are_those_of_a_part(base, rows, tmp_path, monkeypatch):
    from trl.trainer.dpo_trainer import DPOTrainer

    seen = []
    loss = DPOTrainer.compute_loss

    def watched(self, model, inputs, *args, **more):
        seen.append(len(inputs["ref_chosen_logps"]))
        return loss(self, model, inputs, *args, **more)

    monkeypatch.setattr(DPOTrainer, "compute_loss", watched)
    trained("dpo", base, rows[:7], tmp_path / "policy", batch_size=4, micro_batch_size=2)
    assert seen[:4] == [2, 2, 2, 1]


@pytest.mark.parametrize(
    ("batch_size", "micro", "processes", "rows"), [(8, None, 1, 8), (8, None, 2, 4), (8, 2, 2, 2), (8, 1, 8, 1)]
)
def test_a_part_is_what_the_recipe_says_or_a_process_share(batch_size, micro, processes, rows, monkeypatch):
    monkeypatch.setattr(micro_batches, "process_count", lambda: processes)
    recipe = RECIPES["dpo"].model_copy(update={"batch_size": batch_size, "micro_batch_size": micro})
    assert rows_per_micro_batch(recipe) == rows


def test_the_number_of_processes_is_that_of_now_and_not_of_the_import(monkeypatch):
    # A SLURM job of its own unpickles its work, which imports this module, before it knows how many they are.
    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("RANK", "3")
    assert (micro_batches.process_count(), micro_batches.process_rank()) == (4, 3)
    recipe = RECIPES["dpo"].model_copy(update={"batch_size": 8, "micro_batch_size": None})
    assert rows_per_micro_batch(recipe) == 2


@pytest.mark.parametrize(("batch_size", "micro", "processes"), [(8, None, 3), (8, 4, 4), (4, None, 8)])
def test_a_batch_that_processes_cannot_share_is_refused_with_the_numbers(batch_size, micro, processes, monkeypatch):
    monkeypatch.setattr(micro_batches, "process_count", lambda: processes)
    recipe = RECIPES["dpo"].model_copy(update={"batch_size": batch_size, "micro_batch_size": micro})
    with pytest.raises(StudyError, match=rf"batch_size {batch_size} is not a multiple .* x {processes}\)"):
        rows_per_micro_batch(recipe)


@pytest.mark.parametrize(("batch_size", "micro"), [(6, 4), (4, 8)])
def test_parts_that_do_not_make_up_a_batch_are_refused(batch_size, micro):
    with pytest.raises(ValidationError, match=f"batch_size {batch_size} is not a multiple of micro_batch_size {micro}"):
        KTORecipe(**RECIPES["kto"].model_dump() | {"batch_size": batch_size, "micro_batch_size": micro})


def test_a_part_of_kto_holds_both_sides():
    with pytest.raises(ValidationError, match="micro_batch_size"):
        KTORecipe(**RECIPES["kto"].model_dump() | {"micro_batch_size": 3})
