"""One request made ready, submitted, parsed and streamed: what all protocols share."""
