"""Teachers and students: loading, the static encoder, vocabularies."""
