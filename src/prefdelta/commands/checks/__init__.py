"""What `prefdelta doctor` looks at: one module per part of a machine or cluster. Nothing is changed."""
