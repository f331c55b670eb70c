"""Ways to ask a model (`prefdelta.core.requests.Engine`). A job names the one it uses."""
