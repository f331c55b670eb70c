"""Ways to ask a model (`prefdelta.core.asking.requests.Engine`). A job names the one it uses."""
