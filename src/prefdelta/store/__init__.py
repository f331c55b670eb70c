"""What lies on disk for one study: tables, manifests, the record, checkpoints; and who may publish them."""
