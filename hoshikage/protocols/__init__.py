"""Holds the protocols, their routes, and the application."""
