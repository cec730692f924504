"""This is the small program that takes the server's place while nobody uses it."""
