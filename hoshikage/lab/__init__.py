"""The examination of a library: handshake, placement of structures, calibration."""
