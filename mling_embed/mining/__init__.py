"""Bitext mining: pairs found in two sets of sentences, paraphrases in one, and scores for pairs that exist."""
