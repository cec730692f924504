"""Owns the making of the built-in model: corpus, tokens, network, file and reference. Not part of the wheel."""
