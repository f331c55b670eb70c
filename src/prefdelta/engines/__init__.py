"""Ways to ask a model (`prefdelta.core.asking.requests.Engine`). A job's settings name its engine."""
