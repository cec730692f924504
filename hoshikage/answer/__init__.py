"""Makes one request ready, submits it, parses and streams its answer: what all protocols share."""
