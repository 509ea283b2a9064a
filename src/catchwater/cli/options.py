"""Arguments that commands share, in one wording."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

ProjectFolder = Annotated[Path, typer.Argument(help="The project's folder.", metavar="[PROJECT]", show_default="here")]
Env = Annotated[str, typer.Option("--env", help="The environment.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]


def emit(data: Any) -> None:
    typer.echo(json.dumps(data, ensure_ascii=False, indent=2, default=str))
