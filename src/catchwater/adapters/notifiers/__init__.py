"""How people hear of a failure."""
