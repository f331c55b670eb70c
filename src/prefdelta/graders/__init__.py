"""Graders: is the final answer right? One module each, named by a prompt source.

`grade(text, answers)` returns (extracted answer, whether it is right), or None if the text has no answer, and raises
GradingError if neither can be said. docs/extending.md says how to add a grader.
"""
