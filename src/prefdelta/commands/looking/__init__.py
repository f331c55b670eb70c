"""What `show`, `pairs`, `lineage` and `compare` share: results opened to look at, and the names of things in them."""
