"""`hemostat`: the command line. Knows words, tables and exit codes; must not import Prefect, which a run starts when it needs it."""

from __future__ import annotations

import logging
import sys

import typer

from flows import cli_read, cli_run, imports
from flows.cli_out import CODES_HELP, complain
from tasks.model import ConfigError, HemostatError, inert

app = typer.Typer(
    name="hemostat",
    help="Stops the bleeding when a host calls home: confirm, block, triage, collect, cleanup, verify, report.",
    epilog=CODES_HELP,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
cli_run.add_to(app)
cli_read.add_to(app)
imports.add_to(app)


def main() -> None:
    """The console script: every error that is not a bug becomes one message and an exit code."""
    # Its errors reach the person as our own; what it logs besides would only stand between the lines.
    logging.getLogger("paramiko").addHandler(logging.NullHandler())
    try:
        app()
    except HemostatError as error:
        sys.exit(complain(error))
    except PermissionError as error:
        seen = "this user may not: did another one, or root, run hemostat here before?"
        do = "run it as the owner of reports/ and .hemostat/, or give both to one user (chown -R)"
        sys.exit(complain(ConfigError(f"open {inert(error.filename)}", seen, do)))
    except BrokenPipeError:
        sys.exit(0)


if __name__ == "__main__":
    main()
