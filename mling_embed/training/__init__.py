"""Training: targets, batches, losses, and the loop that moves a transformer towards its targets."""
