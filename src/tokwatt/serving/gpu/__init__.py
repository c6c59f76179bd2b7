"""What one GPU of a layout holds, reads and computes."""
