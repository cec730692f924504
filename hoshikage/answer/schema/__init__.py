"""These are the fields of requests that several protocols share."""
