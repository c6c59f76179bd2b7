"""An LLM on GPUs: instance, step, operating point, traffic, pool, fleet."""
