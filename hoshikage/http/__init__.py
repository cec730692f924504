"""Listeners, access, bodies, middleware and errors: HTTP as every protocol needs it."""
