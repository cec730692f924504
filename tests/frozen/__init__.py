"""Records what the program says, for `scripts/freeze.py`: a change that should change nothing can be shown to.

Each module here has `record(scratch)`, which gives file name -> text. Its own process, which does nothing else.
"""
