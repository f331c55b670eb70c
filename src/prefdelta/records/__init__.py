"""The nouns: one typed row per file, one Arrow schema each (made by `prefdelta.store.tables.schema`)."""
