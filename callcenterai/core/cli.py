"""What the command lines of all commands share: errors that users can act on, exit codes, and printed tables.

Exit codes: 0 done, 2 an error that the user can fix (one line on stderr), 3 a gate refused, 130 interrupted.
An exception that is neither a UserError nor an OSError is a bug of ours and keeps its traceback.
"""

import atexit
import gc
import os
import sys
from collections.abc import Callable, Iterable, Sequence

# How many objects must be allocated before Python looks for garbage cycles among the young ones; its default is 700.
GARBAGE_THRESHOLD = 50_000
# A module of these that is missing is a bug of ours; any other package comes with the environment.
OUR_PACKAGES = ("callcenterai", "services")


class UserError(Exception):
    """An error that the user caused and can fix; its one-line message says what is wrong and what to do."""


def run(command: Callable[[], int | None]) -> int:
    """Call command and return its exit code; errors that the user can fix become one line on stderr."""
    collect_garbage_rarely()
    try:
        code = command() or 0
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 2
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in OUR_PACKAGES:
            raise
        print(f"error: {describe_missing_package(error)}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of our standard output (head, less) has closed it. Python would flush again at exit and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"error: {one_line(describe_os_error(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def describe_missing_package(error: ModuleNotFoundError | str) -> str:
    """Return that a package is missing from this Python, and how to run a command with the right one."""
    activate = r".venv\Scripts\activate" if os.name == "nt" else "source .venv/bin/activate"
    return f"{error} for {sys.executable}: activate the environment with `{activate}`; `python setup_mlops.py` makes it"


def collect_garbage_rarely() -> None:
    """Skip most of Python's searches for garbage cycles in this process, and the one at its end.

    The libraries make half a million objects that live until the end, and hardly any of them is in a garbage cycle:
    the searches would take a fifth of a command's time. Objects outside cycles are still freed at once.
    """
    gc.set_threshold(GARBAGE_THRESHOLD)
    # At exit, the system takes back the whole memory of the process anyway.
    atexit.register(gc.freeze)


def positive(text: str) -> int:
    """Return the whole number above zero that text holds; argparse reports the ValueError of any other text."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def describe_os_error(error: OSError) -> str:
    """Return the file and the operating system's own reason, such as `No space left on device`."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason


def one_line(message: str) -> str:
    """Return message with all white space folded, so that it prints as one line."""
    return " ".join(message.split())


def print_lines(kind: str, lines: list[str]) -> None:
    """Print each line on stderr, after the word `note` or `warning`."""
    for line in lines:
        print(f"{kind}: {one_line(line)}", file=sys.stderr)


def print_progress(line: str) -> None:
    """Write a line about the progress of a command to stderr at once."""
    print(line, file=sys.stderr, flush=True)


def print_table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], styles: Sequence[str | None] | None = None
) -> None:
    """Print a table on stdout; on a terminal the styles, one for each row, colour it unless NO_COLOR is set."""
    # rich is imported here so that `--help` and the commands without a table do not load it.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for number, row in enumerate(rows):
        table.add_row(*(Text(cell) for cell in row), style=styles[number] if styles else None)
    # Far wider than any terminal: cutting a table to the terminal's width would hide figures.
    console = Console(highlight=False, width=10_000)
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
