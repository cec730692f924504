"""Serves HTTP as every protocol needs it: listeners, access, bodies, middleware and errors."""
