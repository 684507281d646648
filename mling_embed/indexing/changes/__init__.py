"""Changes of all kinds: rows put in, space given back, vectors made anew by another model."""
