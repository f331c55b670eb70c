"""What the report measures: from tables and manifests to frames and estimates."""
