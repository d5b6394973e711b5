"""Makes docs/drill.svg: a real drill, drawn as its terminal shows it. `python -m tests.picture` after a change of the console."""

from __future__ import annotations

import re
import sys
import tempfile
from pathlib import Path
from unittest.mock import patch

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from flows import cli, console

PICTURE = Path(__file__).parents[1] / "docs" / "drill.svg"
WORDS = ("make drill ARGS=--yes", ["hemostat", "drill", "--yes", "--no-prefect"])


def main() -> None:
    """Run the drill before a console that records; the moving bars are left out, for a picture stands still."""
    out = Console(record=True, force_terminal=True, color_system="truecolor", width=126, highlight=False)
    out.print(Text.assemble(("$ ", "bold green"), WORDS[0]))
    with (
        tempfile.TemporaryDirectory(prefix="hemostat-") as folder,
        patch("flows.runs.console", lambda *_: out),
        patch("flows.drill.console", lambda *_: out),
        patch.object(console.Terminal, "_open", lambda *_: None),
        patch.object(sys, "argv", [*WORDS[1], "--reports", f"{folder}/reports"]),
    ):
        try:
            cli.main()
        except SystemExit as ended:
            if ended.code:
                raise
        # Rich's own frame fetches a font from the internet; whoever looks at a picture asks nobody for one.
        frame = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
        out.save_svg(str(PICTURE), title="hemostat: a host calls home", code_format=frame)


if __name__ == "__main__":
    main()
