"""The paper's own calculation, quirks and all.

Sampling with a fixed seed, truncations, pools that start one instance too high, a long pool that
starts at length one, requests too long for their pool that are served short and credited in full:
all of it lives here and nowhere else. Only `studies` and `audit` may look.
"""
