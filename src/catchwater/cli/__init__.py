"""The command line: arguments in, words out. Nothing is decided here, and heavy imports wait inside commands."""

from catchwater.cli.main import app, main

__all__ = ["app", "main"]
