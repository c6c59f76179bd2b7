"""Measured runs, what was fitted to them, and how far to trust it. Sees serving."""
