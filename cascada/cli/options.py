"""Options that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="print as JSON")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="show the flow's log")]

InputFolder = Annotated[Path | None, typer.Option("--data", help="folder of the input files", show_default=False)]
Overrides = Annotated[list[str] | None, typer.Option("--set", help="a value on top of the file: dotted.key=value")]
AllowInvalid = Annotated[
    bool,
    typer.Option("--allow-invalid-data", help="go on although a suite refuses the data; the model is never promoted"),
]
Refresh = Annotated[bool, typer.Option("--refresh", help="ignore cached results")]
