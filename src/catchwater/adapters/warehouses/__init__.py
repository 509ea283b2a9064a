"""Where models are loaded."""
