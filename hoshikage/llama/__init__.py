"""Wraps model, context, sampler, vocabulary, text and chat template as objects."""
