"""The process of memory: it splits, clusters and keeps, and knows no model."""
