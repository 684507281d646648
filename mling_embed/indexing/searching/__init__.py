"""Searching: what the index is as of one commit, and the hits that come of it."""
