"""The best fleet under targets and budgets, and what would change it."""
