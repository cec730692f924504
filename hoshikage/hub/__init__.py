"""Brings models from elsewhere: which files there are, which are wanted, and how they come here whole. Any thread;
blocking.

Nothing here runs unless somebody asks for a model by its name.
"""
