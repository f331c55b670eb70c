"""Two processes on a CPU train what one trains: the same update, to the last digits."""

import json
import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from prefdelta.core.errors import StudyError
from prefdelta.core.launch import Launch
from prefdelta.core.recipes import Lora
from prefdelta.store import checkpoints, snapshots
from prefdelta.store.snapshots import Snapshots
from prefdelta.training.processes import launcher
from prefdelta.training.processes.mailbox import Mailbox
from unit.training import making
from unit.training.by_hand import load
from unit.training.making import RECIPES, UPDATES, no_snapshots

SHARED = "unit.training.sharing"


@pytest.fixture(autouse=True)
def _two_processes(monkeypatch):
    monkeypatch.setattr(launcher, "count_processes", lambda: 2)
    monkeypatch.setenv("PYTHONPATH", f"{Path(__file__).parents[3]}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


def train(*given):
    measured, run = launcher.train(*given, launch=Launch(), about="arm")
    assert run is None  # it was on this machine, as the manifest says anyway
    return measured


def recipe_of(method, **changes):
    return RECIPES[method].model_copy(update=changes)


def alone(base, rows, recipe, folder):
    """(weights, what was measured) of a training by one process."""
    measured = making.train(base, rows, recipe, folder)
    return load(folder).state_dict(), measured


def assert_equal(folder, measured, weights, measured_alone, base, processes=2):
    """The policy in `folder` and what was measured, against those of one process."""
    shared = load(folder).state_dict()
    assert shared.keys() == weights.keys()
    for name in weights:
        assert shared[name] == pytest.approx(weights[name], abs=2e-6), name
    for name in measured_alone["curve"].keys() - {"rewards/accuracies"}:
        assert measured["curve"][name] == pytest.approx(measured_alone["curve"][name], abs=5e-5), name
    assert measured["processes"] == processes
    moved = max((weights[name] - before).abs().max() for name, before in load(base).state_dict().items())
    assert moved > 1e-3  # else the numbers would say nothing


# Seven rows: the last update of a pass has three, so that one process has a part less than the other.
@pytest.mark.parametrize(
    ("method", "worker", "changes"),
    [
        pytest.param("dpo", SHARED, {"batch_size": 4, "micro_batch_size": 1}, id="dpo, all weights, in parts"),
        pytest.param("kto", SHARED, {"batch_size": 8, "micro_batch_size": 2}, id="kto, all weights, in parts"),
        pytest.param("sft", SHARED, {"batch_size": 4}, id="sft, all weights"),
        pytest.param("dpo", launcher.WORKER, {"batch_size": 4, "lora": Lora(rank=2, alpha=4)}, id="dpo, adapters"),
    ],
)
def test_two_processes_train_what_one_does(method, worker, changes, base, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "WORKER", worker)
    recipe = recipe_of(method, **changes)
    weights, measured_alone = alone(base, rows[:7], recipe, tmp_path / "alone")
    measured = train(base, rows[:7], recipe, 0, tmp_path / "policy", no_snapshots())
    assert_equal(tmp_path / "policy", measured, weights, measured_alone, base)
    assert {path.name for path in (tmp_path / "policy").iterdir()} == {
        path.name for path in (tmp_path / "alone").iterdir()
    }


class Stopped(BaseException):
    """As a kill: nothing in the package catches it."""


@pytest.fixture
def stopped(base, rows, tmp_path, monkeypatch):
    """Called with numbers of processes: one training, stopped after each one's first snapshot but for the last one's.

    Returns (step it went on from, of each that was started; recipe). Every update of those that are stopped is saved.
    """

    def run(*counts, lora=None):
        monkeypatch.setattr(launcher, "WORKER", launcher.WORKER if lora else SHARED)
        recipe, steps = recipe_of("dpo", batch_size=4, lora=lora), []

        def trained(result, taken):
            def noted(self, sound=Snapshots.take_newest):
                found = sound(self)
                steps.append(self.resumed_at)
                return found

            with monkeypatch.context() as patched:
                patched.setattr(Snapshots, "take_newest", noted)
                return train(base, rows, recipe, 0, result, taken)

        for at, count in enumerate(counts):
            last = at + 1 == len(counts)
            with monkeypatch.context() as patched:
                patched.setattr(launcher, "count_processes", lambda count=count: count)
                patched.setattr(snapshots, "MIN_SECONDS", 1e9 if last else 0.0)
                patched.setattr(snapshots, "MAX_SHARE", float("inf"))
                if last:
                    checkpoints.get_or_make(tmp_path, "policies", "k", "arm", trained)
                else:
                    patched.setattr(Snapshots, "seal", sealed_and_stopped)
                    with pytest.raises(Stopped):
                        checkpoints.get_or_make(tmp_path, "policies", "k", "arm", trained)
        return steps, recipe

    def sealed_and_stopped(self, snapshot, sound=Snapshots.seal):
        sound(self, snapshot)
        raise Stopped

    return run


def test_processes_that_were_stopped_have_all_ended_and_go_on_from_the_snapshot_they_shared(
    stopped, base, rows, tmp_path, monkeypatch
):
    launched = []

    class Watched(launcher.TorchProcesses):
        def __init__(self, *args):
            super().__init__(*args)
            launched.append(self._launcher)

        def running(self):
            if len(launched) == 2:
                assert subprocess.run(["pgrep", "-s", str(launched[0].pid)], stdout=subprocess.DEVNULL).returncode == 1
            return super().running()

    monkeypatch.setattr(launcher, "TorchProcesses", Watched)
    steps, recipe = stopped(2, 2)
    assert steps[0] == 0
    assert 1 <= steps[1] < UPDATES
    weights, measured_alone = alone(base, rows, recipe, tmp_path / "alone")
    measured = json.loads((tmp_path / "policies/k/training.json").read_text())
    assert_equal(tmp_path / "policies/k", measured, weights, measured_alone, base)


@pytest.mark.parametrize(
    ("counts", "lora", "goes_on"),
    [
        ((2, 1), None, False),
        ((1, 2), None, False),
        ((2, 1, 2), None, True),  # the snapshot of two was kept while one went its own way
        ((2, 4), None, True),
        ((2, 1), Lora(rank=2, alpha=4), True),
        ((1, 2), Lora(rank=2, alpha=4), True),
    ],
)
def test_another_number_of_processes_goes_on_or_tells_why_it_cannot_and_starts_anew(
    counts, lora, goes_on, stopped, base, rows, tmp_path, capfd
):
    steps, recipe = stopped(*counts, lora=lora)
    assert (steps[-1] > 0) == goes_on
    said = capfd.readouterr().err
    assert ("cannot go on from" in said) == ((1 in counts) and not lora)
    if counts == (2, 1):
        assert lora or "training in 1 process cannot go on from" in said
        assert lora or "which 2 processes that share the weights wrote" in said
    weights, measured_alone = alone(base, rows, recipe, tmp_path / "alone")
    measured = json.loads((tmp_path / "policies/k/training.json").read_text())
    assert_equal(tmp_path / "policies/k", measured, weights, measured_alone, base, counts[-1])


def test_what_a_process_finds_wrong_is_told_by_the_one_that_launched_it(base, rows, tmp_path):
    wrong = [replace(row, ref_chosen_logps=row.ref_chosen_logps - 10) for row in rows]
    recipe = recipe_of("dpo", batch_size=4)
    with pytest.raises(StudyError, match="recorded reference log-probabilities differ"):
        train(base, wrong, recipe, 0, tmp_path / "policy", no_snapshots())


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGKILL"])
def test_the_signal_that_ends_a_process_is_named_and_the_log_shows_where_it_was(
    name, base, rows, tmp_path, monkeypatch, capfd
):
    monkeypatch.setattr(launcher, "WORKER", "unit.training.crashing")
    monkeypatch.setenv("DIES_BY", name)
    with pytest.raises(StudyError, match=f"{name} ended process 1 of those that train"):
        train(base, rows, recipe_of("dpo", batch_size=4), 0, tmp_path / "policy", no_snapshots())
    said = capfd.readouterr().err
    assert ("Fatal Python error: Segmentation fault" in said) == (name == "SIGSEGV")
    assert ("crashing.py" in said) or name == "SIGKILL"


class Clocked:
    """Processes that load, and save after the update at hand when they are asked; all by a clock of their own."""

    count = 4
    LOAD, UPDATE, SAVE, ENDS = 360.0, 60.0, 5.0, 3000.0

    def __init__(self, mailbox, taken):
        self.now, self.sealed = 0.0, []
        self._mailbox, self._taken = mailbox, taken
        self._next, self._saves, self._started, self._step = self.LOAD, False, False, 0

    def monotonic(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds

    def running(self):
        if self.now >= self._next:
            self._next = self.now + self.UPDATE
            if not self._started:
                self._started = True
                self._mailbox.request_start()
            elif self._saves:
                self._saves = False
                snapshot = self._taken.path(self._step)
                snapshot.mkdir(parents=True)
                self._mailbox.put_snapshot(snapshot, self.SAVE)
                self.sealed.append(self.now)
            else:
                self._step += 1
                self._saves = self._mailbox.take_snapshot_request()
                self._next = self.now + self.SAVE if self._saves else self._next
        return self.now < self.ENDS


def test_what_processes_do_before_they_save_does_not_make_snapshots_rare(tmp_path, monkeypatch):
    mailbox = Mailbox(tmp_path / "mailbox")
    mailbox.folder.mkdir()
    taken = no_snapshots()
    clocked = Clocked(mailbox, taken)
    monkeypatch.setattr(snapshots, "time", clocked)
    monkeypatch.setattr(launcher, "time", clocked)
    taken._since = taken._asked = 0.0
    launcher._serve(clocked, taken, mailbox)
    # Twenty times the saving is 100 s, and then the update at hand: not 20 times the 360 s of loading.
    assert max(after - before for before, after in zip(clocked.sealed, clocked.sealed[1:], strict=False)) < 200
    assert len(clocked.sealed) > 10


def test_with_one_gpu_or_none_there_is_no_other_process(base, rows, tmp_path, monkeypatch):
    monkeypatch.setattr(launcher, "count_processes", lambda: 1)
    monkeypatch.setattr(launcher, "_launch", None)
    measured = train(base, rows, recipe_of("sft"), 0, tmp_path / "policy", no_snapshots())
    assert (measured["updates"], measured["processes"]) == (UPDATES, 1)
