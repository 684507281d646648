"""Encoders: one contract, loading, the static encoder, heads, and the parts of a transformer."""
