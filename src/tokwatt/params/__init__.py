"""Files to records to specs in SI units, or one sentence about what is wrong. Sees units."""
