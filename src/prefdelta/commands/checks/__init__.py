"""The checks of `prefdelta doctor`: one module per part of a machine or cluster. They change nothing."""
