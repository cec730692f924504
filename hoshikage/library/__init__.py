"""Finds, installs and judges library files, without loading any."""
