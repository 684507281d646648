"""Tasks, one module a type: its texts, its scores, its columns."""
