"""Graders: is the final answer right? One module each, named by a prompt source."""
