"""The command line: one file per verb, each imported when it is called.

stdout carries the answer, stderr progress and what went wrong. Exit codes: 0 good,
2 configuration, 3 set-up, 4 instrument, 5 target, 6 measurement not valid, 7 report,
130 interrupted with what was recorded kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import click

from powerlab import __version__
from powerlab.cli._failures import exit_code_of
from powerlab.cli._lazy import LazyGroup
from powerlab.cli._signals import stoppable

VERBS = {
    "measure": "Measure the energy of one workload on one device.",
    "calibrate": "Calibrate a meter against a reference, or check it.",
    "report": "Write the PDF report of a run, or of a procurement.",
    "verify": "Recompute a run or a report from its own data.",
    "audit": "Recompute other tools' evidence, and say what is wrong with it.",
    "import": "Make runs of other tools' evidence, beside measured ones.",
    "results": "List, show, compare, export and recover stored runs.",
    "bench": "Make, check and list set-ups of board and meter.",
    "instruments": "List, show, find, watch and check meters.",
    "devices": "List, show and check boards.",
    "workloads": "List, show and build models.",
    "catalog": "Check profile files and print their JSON Schema.",
    "emulate": "Serve an emulated bench until Ctrl-C.",
    "doctor": "Check what this computer needs, and say how to mend it.",
}

MODULES = {"import": "import_"}
"""Verbs whose module has another name, since Python keeps theirs to itself."""


@click.group(
    cls=LazyGroup,
    lazy={name: f"powerlab.cli.{MODULES.get(name, name)}" for name in VERBS},
    summaries=VERBS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="powerlab")
@click.option("--quiet", "-q", is_flag=True, help="No progress on stderr.")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def powerlab(quiet: bool, debug: bool) -> None:  # noqa: FBT001 - click passes flags by name
    """Measure the energy and cost of inference, every figure with its uncertainty.

    Nothing plugged in? Try: powerlab measure --device edgeboard --emulate --report report.pdf
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and get its exit code; what stops it is told on stderr."""
    try:
        with stoppable():
            code = powerlab.main(args=arguments, prog_name="powerlab", standalone_mode=False)
    except Exception as error:  # noqa: BLE001 - the one place where every failure ends
        return exit_code_of(error, arguments)
    except KeyboardInterrupt as error:
        return exit_code_of(error, arguments)
    return code if isinstance(code, int) else 0
