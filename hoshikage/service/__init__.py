"""Runs the server as a service of the machine: systemd, launchd and Windows' task scheduler, and what systemd tells
it."""
