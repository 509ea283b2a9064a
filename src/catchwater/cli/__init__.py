"""The command line: arguments in, words out. Nothing is decided here, and heavy imports wait inside commands."""

import gc
import sys

GARBAGE = 100_000  # what a start makes stays: a process of half a second needn't be looked through ninety times


def main() -> None:
    """Run a command; a user's mistake ends with words and exit code 1 or 2, never with a stack trace."""
    gc.set_threshold(GARBAGE)
    try:
        _run()
    except KeyboardInterrupt:  # before a command could hear of it
        sys.stderr.write("stopped\n")
        sys.exit(130)
    finally:
        gc.freeze()  # nor at its end, which gives everything back


def _run() -> None:
    from catchwater.cli import once

    asked = once.asked(sys.argv[1:])
    if asked is None:
        from catchwater.cli.commands import main as any_command

        any_command()
    else:
        sys.exit(once.quick(asked))
