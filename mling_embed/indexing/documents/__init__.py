"""From files of documents to the entries of an index: formats, pieces, offsets."""
