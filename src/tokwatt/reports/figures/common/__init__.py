"""What figures share: looks, axes, panels, and the numbers that are drawn."""
