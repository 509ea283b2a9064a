"""The command line, called in this process as a user would call it: exit code, output and errors."""

import io
import json
import sys
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from typing import Any
from unittest import mock

from catchwater.cli import main


@dataclass(frozen=True)
class Result:
    exit: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def catchwater(*arguments: object, stdin: str = "") -> Result:
    """`catchwater ARGUMENTS…`; standard input is `stdin`, never a terminal."""
    out, err = io.StringIO(), io.StringIO()
    words = ["catchwater", *(str(argument) for argument in arguments)]
    source = io.TextIOWrapper(io.BytesIO(stdin.encode()))
    code: int | str | None = 0
    with (
        mock.patch.object(sys, "argv", words),
        mock.patch.object(sys, "stdin", source),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    return Result(int(code or 0), out.getvalue(), err.getvalue())
