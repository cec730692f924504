"""This is the process of memory: it splits, clusters and keeps, and knows no model."""
