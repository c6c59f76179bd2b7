"""What of the paper is no choice of an assumption set.

How its tables are printed, and its fleets with draws replaced by exact sums over tables, so that
JAX maps millions of them.
"""
