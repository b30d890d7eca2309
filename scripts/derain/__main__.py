"""Commands of this workflow: `derain COMMAND …`, or `python -m derain COMMAND …` with scripts/ on the path.

Completion in bash: eval "$(register-python-argcomplete derain)"
"""

import argparse
import os
import sys
from collections.abc import Sequence

from derain.commands import config, export, page, progress, restore, why
from derain.errors import exit_in_one_line

# A command has the name of its module. The first line of the module's docstring is its help; `add_options(parser)`
# declares its options, and `run(options)` gets them parsed; `options.given` are the arguments as they were given.
COMMANDS = (why, progress, page, config, restore, export)
TARGETS = ("all", "check", "report", "figures", "evaluate")  # of snakemake, which are asked of this program by mistake


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command. arguments: those of the command line by default."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:  # set by the shell's completion
        import argcomplete

        argcomplete.autocomplete(parser)
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a locale without → and θ
    if given and given[0] in TARGETS:
        parser.error(f"{given[0]} is a target of snakemake: snakemake --cores all {given[0]}")
    options, unknown = parser.parse_known_args(given)
    if unknown and not options.snakemake:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    with exit_in_one_line():
        options.given = given[1:]
        options.run(options)


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("derain", description=__doc__, formatter_class=raw)
    commands = parser.add_subparsers(dest="command", required=True)
    for command in COMMANDS:
        text = command.__doc__ or ""
        own = commands.add_parser(
            command.__name__.rpartition(".")[2],
            help=text.partition("\n")[0],
            description=text,
            formatter_class=raw,
            allow_abbrev=False,  # --config is not --configfile
        )
        own.set_defaults(run=command.run, snakemake=False)
        command.add_options(own)
    return parser


if __name__ == "__main__":
    main()
