"""The best partition of requests among columns, proved."""
