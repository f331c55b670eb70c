"""Answers of mathematics as text: one spelling for each, and the form it has. The graders compare them."""
