"""Exact nearest neighbors and the margins that are computed from them."""
