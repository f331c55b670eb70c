"""`prefdelta.training.processes.worker` for processes that share their weights (FSDP) on a CPU.

torch can do that, and accelerate allows it only on GPUs: this is where it is told otherwise.
"""

import sys
from pathlib import Path

from accelerate.state import AcceleratorState
from accelerate.utils import DistributedType
from transformers import AutoModelForCausalLM

from prefdelta.training import trainer
from prefdelta.training.processes import worker

make, save, load = AcceleratorState.__init__, trainer.save_policy, AutoModelForCausalLM.from_pretrained
loaded = []


def made(self, *args, fsdp_plugin=None, **more):
    make(self, *args, fsdp_plugin=fsdp_plugin, **more)
    if fsdp_plugin is not None:
        self.distributed_type, self.fsdp_plugin = DistributedType.FSDP, fsdp_plugin


def loading(*args, **more):
    loaded.append(args)
    return load(*args, **more)


def saved(trained, *args):
    """Each process must hold its share of what it saves, and have loaded no reference model beside it."""
    assert len(loaded) == 1
    for name, weight in trained.model.named_parameters():
        assert len(weight.to_local()) <= -(-len(weight) // trainer.process_count()), f"{name} is not shared"
    return save(trained, *args)


def main(folder):
    AcceleratorState.__init__ = made
    trainer.save_policy = saved
    AutoModelForCausalLM.from_pretrained = loading
    worker.main(folder)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
