"""Opening of files that may be compressed, broken or made to exhaust memory."""

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, cast

import h5py

from latentcell.runtime.errors import InputError

_GZIP_MAGIC = b"\x1f\x8b"
# Beginnings of what stands in place of a file that was not downloaded, in small letters.
_STAND_INS = {
    (b"<!doctype html", b"<html"): "a web page, such as one to sign in: download the file again",
    (b"version https://git-lfs",): "a pointer of Git LFS: fetch the file with git lfs pull",
}
# Counts, most of them zero, compress to a hundredth; a file of zeros alone to a thousandth.
_MOST_SWELLING = 500
# Unpacked size in bytes up to which any ratio is accepted.
_HARMLESS = 2**30
# Longest line in bytes: a million cells, each with a count of many digits.
_LONGEST_LINE = 2**26
_PIECE = 2**20


def is_gzip(path: Path) -> bool:
    """Tell from the first bytes whether a file is gzip, whatever its name."""
    with path.open("rb") as stream:
        return stream.read(len(_GZIP_MAGIC)) == _GZIP_MAGIC


def refuse_stand_in(path: Path) -> None:
    """Refuse a web page or a pointer of Git LFS in place of a file; raises `InputError`."""
    if not path.is_file():
        return
    with path.open("rb") as stream:
        head = stream.read(512).lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for beginnings, found in _STAND_INS.items():
        if head.startswith(beginnings):
            raise InputError(f"{path}: expected a file of cells, found {found}")


def unpacking(stream: IO[bytes]) -> IO[bytes]:
    """Unpack a stream while it is read; raises `OSError` at an implausible size."""
    return cast(IO[bytes], io.BufferedReader(_Bounded(stream), _PIECE))


class _Bounded(io.RawIOBase):
    """Content of a packed stream, up to the largest plausible size of unpacked counts."""

    def __init__(self, packed: IO[bytes]) -> None:
        self._packed, self._unpacked = packed, gzip.GzipFile(fileobj=packed)
        self._read = 0

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer, as `io.RawIOBase` requires."""
        number = self._unpacked.readinto(buffer)
        self._read += number
        if self._read > max(_HARMLESS, _MOST_SWELLING * self._packed.tell()):
            raise gzip.BadGzipFile(f"it unpacks to more than {_MOST_SWELLING} times its size")
        return number


def lines_of(stream: IO[bytes]) -> Iterator[bytes]:
    """Iterate over lines with their ends; raises `OSError` at an implausibly long one."""
    while line := stream.readline(_LONGEST_LINE):
        if len(line) == _LONGEST_LINE:
            raise OSError(f"a line of more than {_LONGEST_LINE:,} bytes")
        yield line


def refuse_swelling(path: Path) -> None:
    """Refuse an HDF5 file whose arrays are implausibly large for the size of the file.

    Raises
    ------
    InputError
        If the unpacked arrays would exhaust memory.
    OSError
        If it is not an HDF5 file.
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
    """Open a file for reading bytes, through gzip if it is packed."""
    packed = is_gzip(path)
    with path.open("rb") as stream:
        yield unpacking(stream) if packed else stream


@contextmanager
def broken_files_named(path: Path, kind: str) -> Iterator[None]:
    """Turn any exception of a reader into an `InputError` that names the file.

    Libraries raise nearly any exception on files that are truncated or of another kind, from
    ``OSError`` and ``KeyError`` to ``MemoryError`` on an absurd header.
    """
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        cut = isinstance(error, EOFError) or "truncated file" in reason
        raise InputError(
            f"{path}: expected a whole file in the format {kind}, found one that cannot be read "
            f"({reason[:200]})" + (": copy or download it again" if cut else "")
        ) from error
