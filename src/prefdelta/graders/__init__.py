"""Graders: is the final answer right? A prompt source names one. `maths_*` and `sandbox*` run what two of them need."""
