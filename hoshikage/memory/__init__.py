"""This is memory's side of the server: what is remembered of long conversations."""
