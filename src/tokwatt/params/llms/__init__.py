"""Language models from their own configurations."""
