"""The protocols, their routes, and the application."""
