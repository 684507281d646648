"""Tokenizers: a multilingual vocabulary from text, and changes to those that are there."""
