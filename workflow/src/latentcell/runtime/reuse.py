"""Reuse of finished files, stored under a digest of everything that determines them.

Variants of a run, and different runs, often need the same model. The first job trains it; the
others take copies. Finished files are kept in ``results/.reuse/<identity>/``, as hard links if the
file system supports them, which take no space. Other jobs take copies, since Snakemake touches
outputs and users may edit them. Each copy is checked against its SHA-256; an entry that was changed
is dropped and computed again. Entries are added and removed by renaming their folder. Jobs that
need the same entry at the same time wait for one another (`Store.turn`).
"""

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import IO

from latentcell.runtime.io import atomic, read_json, umask, write_json
from latentcell.runtime.progress import say
from latentcell.runtime.provenance import file_digest, text_digest

_VARIABLE = "LATENTCELL_REUSE"
_FOLDER = "results/.reuse"
_DIGESTS = "sha256.json"
# Libraries whose versions may change the digits of a result.
_LIBRARIES = ("anndata", "numba", "numpy", "openTSNE", "pandas", "scikit-learn", "scipy", "torch")


class Store:
    """Finished files of all runs.

    Parameters
    ----------
    folder : path
        Folder of the files; created if missing, and safe to delete at any time.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def take(self, identity: str, files: Sequence[Path]) -> bool:
        """Copy the files of an identity to their paths.

        Parameters
        ----------
        identity : str
            Digest of everything that determines the files.
        files : sequence of path
            Paths of the copies, in the order in which the files were kept.

        Returns
        -------
        bool
            Whether all files were found unchanged.
        """
        entry = self._entry(identity)
        if not os.path.lexists(entry):
            return False
        try:
            digests = read_json(entry / _DIGESTS)["files"]
            for file, kept in zip(files, _names(files), strict=True):
                with atomic(file) as temporary:
                    shutil.copyfile(entry / kept, temporary)
                    if file_digest(temporary) != digests[kept]:
                        raise ValueError(f"{kept} with another content")
        except (FileNotFoundError, ValueError, LookupError, TypeError) as error:
            say(f"{entry}: expected files of an earlier run, found {error}: computed again")
            self._drop(entry)
            return False
        except OSError as error:
            say(f"{entry}: not taken ({error})")
            return False
        return True

    def keep(self, identity: str, files: Sequence[Path]) -> None:
        """Keep finished files unless the entry exists; a failure is only logged."""
        entry = self._entry(identity)
        if os.path.lexists(entry):
            return
        temporary = None
        try:
            temporary = self._new_folder()
            for file, kept in zip(files, _names(files), strict=True):
                _link(file, temporary / kept)
            digests = {kept: file_digest(temporary / kept) for kept in _names(files)}
            write_json(temporary / _DIGESTS, {"files": digests})
        except OSError as error:
            say(f"{entry}: not kept for other runs ({error})")
            if temporary is not None:
                shutil.rmtree(temporary, ignore_errors=True)
            return
        try:
            temporary.rename(entry)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)  # Another run kept it first.

    @contextmanager
    def turn(self, identity: str) -> Iterator[None]:
        """Let one job at a time look up an identity and compute it.

        The system releases the lock of a job that dies. On a file system without locks, jobs do not
        wait and may compute the same files twice.
        """
        path = self.folder / ".locks" / self._entry(identity).name
        file = None
        with suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("w")
        with file or nullcontext():
            if file is not None:
                _wait_for(file)
            yield

    def _entry(self, identity: str) -> Path:
        return self.folder / text_digest(identity, _software())

    def _new_folder(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.folder, prefix="."))
        folder.chmod(0o777 & ~umask())
        return folder

    def _drop(self, entry: Path) -> None:
        """Remove an entry atomically."""
        try:
            aside = self._new_folder()
            entry.rename(aside)
            shutil.rmtree(aside)
        except OSError as error:
            say(f"{entry}: could not be deleted ({error})")


def export_reuse(wanted: bool) -> None:
    """Let every job reuse the finished files of other runs, or none."""
    os.environ[_VARIABLE] = _FOLDER if wanted else ""


def shared_store() -> Store | None:
    """Return the store of finished files, if `export_reuse` enabled it."""
    folder = os.environ.get(_VARIABLE)
    return Store(folder) if folder else None


def made_once(
    identity: str,
    files: Sequence[str | Path],
    make: Callable[[], None],
    store: Store | None,
) -> None:
    """Take files of an earlier run, or compute and keep them.

    Parameters
    ----------
    identity : str
        Digest of everything that determines the files.
    files : sequence of path
        Paths that `make` writes.
    make : callable
        Computes the files.
    store : Store or None
        Store of finished files; None: always compute and do not keep.
    """
    paths = [Path(file) for file in files]
    if store is None:
        make()
        return
    with store.turn(identity):
        if store.take(identity, paths):
            say("taken from an earlier job with the same inputs")
        else:
            make()
            store.keep(identity, paths)


def _wait_for(file: IO[str]) -> None:
    """Lock a file; log when another job holds the lock."""
    with suppress(OSError):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("waiting for another job that computes the same files")
            fcntl.flock(file, fcntl.LOCK_EX)


def _names(files: Sequence[Path]) -> list[str]:
    """Number the names, since files of several folders may have the same name."""
    return [f"{number}-{file.name}" for number, file in enumerate(files)]


def _link(file: Path, kept: Path) -> None:
    try:
        os.link(file, kept)
    except OSError:
        shutil.copyfile(file, kept)


@cache
def _software() -> str:
    return text_digest(sys.version_info[:3], *map(version, _LIBRARIES))
