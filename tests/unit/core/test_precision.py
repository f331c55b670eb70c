from prefdelta.core.precision import cheapest_precision, cosines_of, kept_by

SLOW = {"bfloat16": 0.24, "float16": 0.65}  # about what a learning rate of 5e-8 leaves
FAST = {"bfloat16": 0.9991, "float16": 0.9999}


def test_the_precision_must_keep_every_update() -> None:
    assert cheapest_precision([FAST], 0.99) == "float16"
    assert cheapest_precision([FAST, SLOW], 0.99) == "float32"
    assert cheapest_precision([FAST, SLOW], 0.6) == "float16"
    # Worst of each: bfloat16 0.995, float16 0.2.
    assert cheapest_precision([FAST, {"bfloat16": 0.995, "float16": 0.2}], 0.99) == "bfloat16"


def test_an_update_that_was_not_measured_is_kept_by_float32_alone() -> None:
    assert cheapest_precision([], 0.99) == "float32"
    assert cheapest_precision([FAST, {}], 0.99) == "float32"
    assert [kept_by(precision, {}) for precision in ("float32", "float16", "auto")] == [1.0, None, None]


def test_the_engines_own_choice_keeps_what_the_worse_one_keeps() -> None:
    assert [kept_by(precision, SLOW) for precision in ("float32", "float16", "auto")] == [1.0, 0.65, 0.24]


def test_cosines_are_read_from_the_measurements_of_a_training() -> None:
    assert cosines_of({"update_cosine_float16": 0.65, "updates": 3, "update_cosine_bfloat16": None}) == {
        "float16": 0.65
    }
