"""Graders: is the final answer right? A prompt source names one. `maths_*` and `sandbox*` run what two of them need.

`grade(text, answers)` returns (extracted answer, whether it is right), or None if the text has no answer, and raises
GradingError if neither can be said. docs/extending.md says how to add a grader.
"""
