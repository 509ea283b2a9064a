"""What of a plan runs on Google Cloud, as roots of module calls."""
