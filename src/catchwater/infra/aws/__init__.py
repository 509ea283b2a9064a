"""What of a plan runs on AWS, as roots of module calls."""
