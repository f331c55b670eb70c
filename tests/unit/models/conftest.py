"""A hub on loopback, and a machine that knows it."""

import pytest

from unit.loopback_hub import LoopbackHub, Machine


@pytest.fixture
def hub():
    hub = LoopbackHub()
    yield hub
    if hub.running:
        hub.stop()


@pytest.fixture
def machine(hub, tmp_path):
    return Machine(tmp_path / "machine", hub.endpoint)
