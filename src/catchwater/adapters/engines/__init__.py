"""What computes a model's SELECT."""
