"""Numbers that manifests hold: what jobs counted, and what they cost."""
