"""Parts of an LLM, read from the keys of its configuration."""
