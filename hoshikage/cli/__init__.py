"""The commands: arguments, and all printing to the terminal."""
