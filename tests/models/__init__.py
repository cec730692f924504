"""Runs real models over real releases: a lane of its own, `scripts/test.py --models`."""
