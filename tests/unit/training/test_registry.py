import subprocess
import sys

import pytest
from pydantic import TypeAdapter, ValidationError

from prefdelta.system import plugins
from prefdelta.training.methods.dpo import DPORecipe
from prefdelta.training.methods.kto import KTORecipe
from prefdelta.training.methods.sft import SFTRecipe
from prefdelta.training.registry import METHODS, AnyRecipe, method_of, plugin_of
from prefdelta.workflow import source

COMMON = {"learning_rate": 1e-3, "batch_size": 32, "budget": {"epochs": 1.0}}


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"method": "dpo", "beta": 0.1}, DPORecipe),
        ({"method": "kto", "beta": 0.1}, KTORecipe),
        ({"method": "sft"}, SFTRecipe),
    ],
)
def test_the_method_says_what_a_recipe_is(content, kind):
    recipe = TypeAdapter(AnyRecipe).validate_python(COMMON | content)
    assert type(recipe) is kind
    assert plugins.load(plugin_of(recipe)) is method_of(recipe) is METHODS[content["method"]]


@pytest.mark.parametrize("content", [{"method": "sft", "beta": 0.1}, {"method": "dpo"}, {"method": "ppo"}, {}])
def test_a_recipe_of_another_method_or_with_another_methods_values_is_refused(content):
    with pytest.raises(ValidationError):
        TypeAdapter(AnyRecipe).validate_python(COMMON | content)


@pytest.mark.parametrize("name", METHODS)
def test_a_job_stands_on_the_source_of_its_own_method_alone(name):
    module = f"prefdelta.training.methods.{name}"
    covered = source.sources("prefdelta.stages.train", (plugins.module_of(f"training.{name}"),))
    assert {other for other in covered if other.startswith("prefdelta.training.methods.")} == {module}


def test_what_the_config_reads_of_the_methods_loads_no_library():
    names = ("torch", "transformers", "trl", "datasets", "accelerate")
    command = f"import prefdelta.training.registry, sys; print([name for name in {names} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
