"""Hoshikage (星影): a quiet local LLM server over the user's own libllama."""

__version__ = "0.1.0"
