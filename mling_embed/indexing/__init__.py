"""A durable index: SQLite holds the truth, FAISS generations make it fast, every answer is checked."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
