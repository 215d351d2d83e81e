"""How scripts print tables for people."""

from typing import Any


def print_table(columns: tuple[str, ...], rows: Any, styles: Any = None) -> None:
    """Print a table on stdout: in colour on a terminal unless NO_COLOR is set."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=None, pad_edge=False, header_style="bold")
    for number, row in enumerate(rows):
        table.add_row(*(Text(cell) for cell in row), style=styles[number] if styles else None)
    # As wide as it is: a table cut to the terminal's width would hide figures.
    console = Console(highlight=False, width=10_000)
    with console.capture() as captured:
        console.print(table)
    print("\n".join(line.rstrip() for line in captured.get().splitlines()))
