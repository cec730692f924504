"""Knows the programs that use a server, and how each one is told of it. Pure; any thread."""
