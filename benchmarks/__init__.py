"""How fast tokwatt is beside NumPy, numba, the paper's program and the machine: `make bench`."""
