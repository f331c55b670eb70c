"""Training methods: one module each, with one `METHOD`. `docs/adding-a-method.md` says how to add one."""
