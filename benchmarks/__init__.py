"""How fast tokwatt is beside NumPy, numba, the program the paper used and the machine itself: `make bench`."""
