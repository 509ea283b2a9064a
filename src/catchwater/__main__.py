"""`python -m catchwater`."""

from catchwater.cli import main

main()
