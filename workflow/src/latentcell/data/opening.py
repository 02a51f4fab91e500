"""Opening files that may be packed or broken."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from latentcell.errors import InputError

_GZIP_MAGIC = b"\x1f\x8b"


def is_gzip(path: Path) -> bool:
    """Whether the first bytes say gzip, whatever the name says."""
    with path.open("rb") as stream:
        return stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC


def unpacking(stream: IO[bytes]) -> IO[bytes]:
    """Unpack a stream while it is read."""
    return gzip.GzipFile(fileobj=stream)  # type: ignore[return-value]


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading bytes, through gzip where it is packed."""
    packed = is_gzip(path)
    with path.open("rb") as stream:
        yield unpacking(stream) if packed else stream


@contextmanager
def broken_files_named(path: Path, kind: str) -> Iterator[None]:
    """Turn whatever a reader trips over into an `InputError` that names the file.

    Libraries raise nearly everything on files that are cut short or of another kind, from
    ``OSError`` over ``KeyError`` to ``MemoryError`` on an absurd header.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path}: expected a whole file in the format {kind}, found one that cannot be read "
            f"({reason[:200]})"
        ) from error
