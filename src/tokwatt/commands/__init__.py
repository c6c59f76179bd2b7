"""What a user and the Snakefile call. Sees everything."""
