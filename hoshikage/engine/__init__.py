"""The thread that tokenizes, decodes and samples."""
