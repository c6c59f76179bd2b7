"""Requests, and the sums over them that one pool serves."""
