"""Students: one module a kind, each from a corpus and a teacher's targets."""
