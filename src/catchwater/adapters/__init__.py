"""The outside world, one file each; an adapter is reached through wiring's strings and knows no other."""
