"""`ltbench`, `python -m ltbench` and `torchrun -m ltbench`: the command line, loaded."""

import sys


def main() -> None:
    """Run the command line; Ctrl-C while it loads ends it with a sentence, too."""
    try:
        from ltbench.cli import main as command

        command()
    except KeyboardInterrupt:
        from ltbench.errors import InterruptedCommandError

        error = InterruptedCommandError()
        print(f"ltbench: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
