"""Parallel text: manifests, fetching, reading, filtering, and the corpus on disk."""
