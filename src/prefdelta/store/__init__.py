"""The files of one study: tables, manifests, the record, checkpoints; and who may publish them."""
