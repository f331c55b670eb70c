"""What a study uses of the hub."""

import pytest

from prefdelta.core.errors import StudyError


def test_a_study_whose_models_are_trained_here_uses_nothing_of_the_hub(mini):
    study = mini()
    assert study.hub_names == {"models": [], "datasets": []}
    study.hub.check_pinned()


def test_a_repository_without_a_pin_stops_a_run_and_a_local_folder_does_not(mini):
    def edit(content):
        content["models"]["g4"] = {"hub": "./folder"}
        content["models"]["g3"] = {"hub": "nobody/unheard-of"}

    study = mini(edit)
    assert study.hub_names["models"] == ["nobody/unheard-of"]
    with pytest.raises(StudyError, match=r"nobody/unheard-of.* Nothing was started\."):
        study.hub.check_pinned()
