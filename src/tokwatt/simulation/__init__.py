"""Requests through engines, event by event, at the steps of an account."""
