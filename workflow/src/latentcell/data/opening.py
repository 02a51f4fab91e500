"""Opening files that may be packed, broken, or made to fill memory."""

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import h5py

from latentcell.errors import InputError

_GZIP_MAGIC = b"\x1f\x8b"
# Counts pack to a hundredth, where nearly all are zero; a file of nothing else to a thousandth.
_MOST_SWELLING = 500
# Below so many bytes a file may swell as it likes.
_HARMLESS = 2**30
# Of a million cells, each with a count of many digits.
_LONGEST_LINE = 2**26
_PIECE = 2**20


def is_gzip(path: Path) -> bool:
    """Whether the first bytes say gzip, whatever the name says."""
    with path.open("rb") as stream:
        return stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC


def unpacking(stream: IO[bytes]) -> IO[bytes]:
    """Unpack a stream while it is read; raises `OSError` where it was made to fill memory."""
    return cast(IO[bytes], io.BufferedReader(_Bounded(stream), _PIECE))


class _Bounded(io.RawIOBase):
    """What a packed stream holds, up to where no counts would have come from so few bytes."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed, self._unpacked = packed, gzip.GzipFile(fileobj=packed)
        self._read = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as `io.RawIOBase` asks for."""
        number = self._unpacked.readinto(buffer)
        self._read += number
        if self._read > max(_HARMLESS, _MOST_SWELLING * self._packed.tell()):
            raise gzip.BadGzipFile(f"it unpacks to more than {_MOST_SWELLING} times its size")
        return number


def lines_of(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines with their ends; raises `OSError` on one that is longer than any of counts."""
    while line := stream.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise OSError(f"a line of more than {_LONGEST_LINE:,} bytes")
        yield line


def refuse_swelling(path: Path) -> None:
    """Refuse an HDF5 file whose arrays are far larger than any counts of its size.

    Raises
    ------
    InputError
        If reading it would fill memory with what is hardly there.
    OSError
        If it is no HDF5 file.
    """
    sizes = []

    def add(_: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            sizes.append(item.nbytes)

    with h5py.File(path, "r", locking=False) as file:
        file.visititems(add)
    packed = path.stat().st_size
    if sum(sizes) > max(_HARMLESS, _MOST_SWELLING * packed):
        raise InputError(
            f"{path}: expected counts, found {packed:,} bytes that unpack to {sum(sizes):,}, more "
            f"than {_MOST_SWELLING} times as many"
        )


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
