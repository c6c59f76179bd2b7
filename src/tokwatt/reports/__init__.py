"""Tables, audit, pages and pictures of what a dataset holds. Never sees JAX."""
