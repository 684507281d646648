"""Measures: pure functions from arrays, texts and runs to numbers."""
