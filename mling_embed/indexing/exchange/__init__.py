"""In from FAISS files, out to Parquet and to the vector stores that people run."""
