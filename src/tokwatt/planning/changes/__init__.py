"""What would change a plan: levers, prices, draws, time."""
