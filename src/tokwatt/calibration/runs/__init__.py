"""Measured runs, as tables and as records."""
