"""Whole instances that keep the targets, and the queues before them."""
