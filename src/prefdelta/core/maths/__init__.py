"""Answers of mathematics as text: one spelling, and the form of what is written. Comparing them is the grader's."""
