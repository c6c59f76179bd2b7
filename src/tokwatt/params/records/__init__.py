"""Records as written: text to typed values in SI units, or one sentence."""
