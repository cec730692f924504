"""Holds the commands: arguments, and all printing to the terminal."""
