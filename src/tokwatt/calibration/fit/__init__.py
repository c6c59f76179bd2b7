"""What is fitted to measured runs."""
