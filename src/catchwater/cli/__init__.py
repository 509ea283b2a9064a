"""The command line: arguments in, words out. Nothing is decided here, and heavy imports wait inside commands."""

import sys


def main() -> None:
    """Run a command; a user's mistake ends with words and exit code 1 or 2, never with a stack trace."""
    from catchwater.cli import once

    asked = once.asked(sys.argv[1:])
    if asked is None:
        from catchwater.cli.main import main as any_command

        any_command()
    else:
        sys.exit(once.quick(asked))
