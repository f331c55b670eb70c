"""The data of the pair browser: a study's tables and texts as scripts that a page loads from disk."""
