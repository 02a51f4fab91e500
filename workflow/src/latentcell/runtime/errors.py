"""The exception for unusable input, and the message of a disk that is full or not accessible."""

from pathlib import Path


class InputError(ValueError):
    """Input of the user is unusable.

    The message is one sentence that names the file, key or cell, what was expected and what was
    found. Scripts print it without a traceback and exit with status 1.
    """


def disk_message(error: OSError, output: str | Path) -> str:
    """Return the sentence for a file that cannot be read or written; `output` if none is named."""
    return (
        f"{error.filename or output}: expected to read or write it, found: "
        f"{error.strerror or error}: make room or correct its permissions and run again; finished "
        "results are kept"
    )
