"""One iteration of an instance: what it takes and draws."""
