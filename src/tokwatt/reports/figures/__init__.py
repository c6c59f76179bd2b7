"""Figures, one module each: `data` takes the numbers from the datasets, `draw` draws exactly those.

What several of them share lies in `common`.
"""
