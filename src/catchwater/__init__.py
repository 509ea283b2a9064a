"""Catchwater: capture, model, load and serve, on one machine and in the clouds; import stays light."""

__version__ = "0.1.0"
