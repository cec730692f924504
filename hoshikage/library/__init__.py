"""Finding, installing and judging library files, without loading any."""
