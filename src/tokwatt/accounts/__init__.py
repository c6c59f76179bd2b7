"""Sets of assumptions, the paper's cases and headlines, and how sure they are. Sees calibration and serving."""
