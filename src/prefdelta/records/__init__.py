"""The nouns: one typed row per file, one Arrow schema each (made by `prefdelta.store.tables.schema`).

Checkpoints and manifests are nouns too, written as JSON.
"""
