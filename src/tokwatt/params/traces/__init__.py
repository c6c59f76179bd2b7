"""Request traces from tables of requests."""
