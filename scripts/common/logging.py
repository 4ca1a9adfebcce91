"""One way to log and to fail: time-stamped lines on standard error, which each rule sends to its log file."""

import errno
import logging
import sys
from collections.abc import Callable, Sequence

from scripts.common.errors import InputError

OF_THE_DISK = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOSPC, errno.EDQUOT)


def get_logger(name: str) -> logging.Logger:
    """The logger of one program, configured on first use."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("httpx").setLevel(logging.WARNING)  # else every request of a download is a line
    return logging.getLogger(name)


def run(main: Callable[[Sequence[str] | None], None]) -> None:
    """Runs a program's main(); any error but these two keeps its traceback.

    An `InputError`, and a disk that is full or does not let this user in, end it with one clear line.
    """
    try:
        main(None)
    except InputError as error:
        sys.exit(f"error: {error}")
    except OSError as error:
        if error.errno not in OF_THE_DISK:
            raise
        sys.exit(f"error: {error}. Make room, or let this user in, and run again")
