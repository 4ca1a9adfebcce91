"""One way to log and to fail: time-stamped lines on standard error, which each rule sends to its log file."""

import logging
import sys
from collections.abc import Callable, Sequence

from scripts.common.errors import InputError


def get_logger(name: str) -> logging.Logger:
    """The logger of one program, configured on first use."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else every request of a download is a line
    return logging.getLogger(name)


def run(main: Callable[[Sequence[str] | None], None]) -> None:
    """Runs a program's main(): an `InputError` ends it with one clear line; any other error keeps its traceback."""
    try:
        main(None)
    except InputError as error:
        sys.exit(f"error: {error}")
