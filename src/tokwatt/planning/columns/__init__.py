"""Everything that a pool of a plan may be, with what it takes."""
