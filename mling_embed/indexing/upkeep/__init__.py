"""Looking after an index: what it is, whether it is whole, what can be repaired, and what is odd in it."""
