import pytest

from prefdelta.training.shares import shares


@pytest.mark.parametrize("n_rows", range(1, 9))
@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("together", [1, 2])
def test_every_row_counts_once_and_all_processes_make_as_many_micro_batches(n_rows, processes, together):
    made = shares([7, 1, 5, 3, 8, 2, 6, 4][:n_rows], 2, processes, together)
    assert len(made) == processes
    counted = [index for share in made for indices, counts in share if counts for index in indices]
    assert sorted(counted) == list(range(n_rows))
    assert len({len(share) for share in made}) == 1
    assert all(0 < len(indices) <= 2 for share in made for indices, _ in share)


def test_micro_batches_of_about_one_length_are_made_at_once_and_tokens_are_balanced():
    # Longest first: 90 and 80 at once, then 50 and 40, then 20 and 10. Each time the one behind gets the longer one.
    made = shares([10, 90, 40, 80, 20, 50], 1, 2)
    assert made == [[([1], True), ([2], True), ([4], True)], [([3], True), ([5], True), ([0], True)]]


def test_rows_of_one_length_stay_in_their_order():
    assert shares([5, 5, 5, 5], 2, 2) == [[([0, 1], True)], [([2, 3], True)]]


def test_a_micro_batch_that_is_the_whole_update_keeps_the_order_of_its_rows():
    assert shares([1, 3, 2], 3, 1) == [[([0, 1, 2], True)]]


def test_a_process_without_rows_repeats_the_shortest_micro_batch():
    assert shares([1, 3, 2], 1, 2) == [[([1], True), ([0], False)], [([2], True), ([0], True)]]
    assert shares([4], 2, 3) == [[([0], True)], [([0], False)], [([0], False)]]


def test_rows_that_belong_together_share_a_micro_batch():
    # Pairs of 2 + 9, 5 + 5 and 1 + 20 tokens.
    made = shares([2, 9, 5, 5, 1, 20], 2, 1, together=2)
    assert made == [[([4, 5], True), ([0, 1], True), ([2, 3], True)]]
