"""The fields of requests that several protocols share."""
