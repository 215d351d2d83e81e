"""What every script's command line has in common: errors that users can act on, and exit codes.

Exit codes: 0 done, 2 something the user can mend (one line on stderr), 3 a gate refused, 130 interrupted.
An exception that is neither a UserError nor an OSError is a bug of ours and keeps its traceback.
"""

import atexit
import gc
import os
import sys
from collections.abc import Callable

# Objects that must have been made before Python searches the young ones for cycles of garbage; its default is 700.
OBJECTS_BEFORE_A_SEARCH = 50_000


class UserError(Exception):
    """Something the user caused and can mend; its one-line message says what is wrong and how."""


def run(command: Callable[[], int | None]) -> int:
    """Call command and return its exit code, turning what the user can mend into one line on stderr."""
    search_seldom_for_garbage()
    try:
        code = command() or 0
        sys.stdout.flush()
        return code
    except UserError as error:
        print(f"error: {one_line(str(error))}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of our standard output (head, less) has left. Python would flush once more at exit and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        print(f"error: {one_line(describe_os_error(error))}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return 130


def search_seldom_for_garbage() -> None:
    """Spare this process most of Python's searches for cycles of garbage, and at its end all of them.

    The libraries make half a million objects that stay, among which there is little to find: the searches are a
    fifth of what a command costs. What is in no cycle is freed at once as ever.
    """
    gc.set_threshold(OBJECTS_BEFORE_A_SEARCH)
    # The process's memory goes back as a whole.
    atexit.register(gc.freeze)


def positive(text: str) -> int:
    """Return a whole number above zero; argparse makes an error of the ValueError."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def describe_os_error(error: OSError) -> str:
    """Say which file the operating system refused and why; `No space left on device` stays recognisable."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}" if error.filename else reason


def one_line(message: str) -> str:
    """Fold white space so that a message of several lines prints as one."""
    return " ".join(message.split())
