"""Examines a library: handshake, placement of structures, calibration."""
