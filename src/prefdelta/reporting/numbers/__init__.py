"""The report's numbers: from tables and manifests to frames and estimates."""
