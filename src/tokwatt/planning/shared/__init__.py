"""One fleet for several traces: the plan of the least cost in the worst of them."""
