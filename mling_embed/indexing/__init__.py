"""A durable index: SQLite holds the truth, FAISS generations make it fast, every answer is checked."""
