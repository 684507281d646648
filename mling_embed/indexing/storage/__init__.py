"""The truth of an index: rows in an SQLite file, their words, and the locks of those who change them."""
