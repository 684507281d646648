"""The readers: one module a format, rows in, `Pair` or `Reject` out."""
