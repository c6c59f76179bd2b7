"""Pages of results, one a file."""
