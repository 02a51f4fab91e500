"""What one run has made is there for the next, named after all that it depends on.

Finished files are kept in ``results/.reuse/<identity>/`` as hard links, where the file system has
such, so that they take no room as long as the run that made them is there. A run that needs the
same gets copies: Snakemake touches what a job has made, and users may edit it, and neither is to
reach another run. Each file is held against its SHA-256 as it is copied; where one was changed, the
whole is dropped and made anew. Entries appear and vanish by a rename of their folder, so that runs
at the same time need no lock.
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import version
from pathlib import Path

from latentcell.io import atomic, read_json, umask, write_json
from latentcell.progress import say
from latentcell.provenance import file_digest, text_digest

_VARIABLE = "LATENTCELL_REUSE"
_FOLDER = "results/.reuse"
_DIGESTS = "sha256.json"
# What may change the digits of a result.
_LIBRARIES = ("anndata", "numba", "numpy", "openTSNE", "pandas", "scikit-learn", "scipy", "torch")


class Store:
    """Finished files of all runs.

    Parameters
    ----------
    folder : path
        Where they lie; it is made if need be, and can be deleted at any time.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def take(self, identity: str, files: Sequence[Path]) -> bool:
        """Put copies of what was kept under an identity into place.

        Parameters
        ----------
        identity : str
            Digest of everything that the files depend on.
        files : sequence of path
            Where to, in the order in which they were kept.

        Returns
        -------
        bool
            Whether all of them were there, as they had been written.
        """
        entry = self._entry(identity)
        try:
            digests = read_json(entry / _DIGESTS)["files"]
            for file, kept in zip(files, _names(files), strict=True):
                with atomic(file) as temporary:
                    shutil.copyfile(entry / kept, temporary)
                    if file_digest(temporary) != digests[kept]:
                        raise ValueError(f"another {kept} than was written")
        except FileNotFoundError:
            return False
        except OSError as error:
            say(f"{entry}: not taken ({error})")
            return False
        except (ValueError, LookupError, TypeError) as error:
            say(f"{entry}: expected what an earlier run has kept, found {error}: made anew")
            self._drop(entry)
            return False
        return True

    def keep(self, identity: str, files: Sequence[Path]) -> None:
        """Keep finished files, unless there are such; a failure to do so is told, and no more."""
        entry = self._entry(identity)
        if entry.exists():
            return
        try:
            temporary = self._new_folder()
            for file, kept in zip(files, _names(files), strict=True):
                _link(file, temporary / kept)
            digests = {kept: file_digest(temporary / kept) for kept in _names(files)}
            write_json(temporary / _DIGESTS, {"files": digests})
        except OSError as error:
            say(f"{entry}: not kept for other runs ({error})")
            return
        try:
            temporary.rename(entry)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)  # Another run was first.

    def _entry(self, identity: str) -> Path:
        return self.folder / text_digest(identity, _software())

    def _new_folder(self) -> Path:
        self.folder.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=self.folder, prefix="."))
        folder.chmod(0o777 & ~umask())
        return folder

    def _drop(self, entry: Path) -> None:
        """Take an entry away, as a whole and at once."""
        try:
            aside = self._new_folder()
            entry.rename(aside)
            shutil.rmtree(aside)
        except OSError as error:
            say(f"{entry}: could not be deleted ({error})")


def export_reuse(wanted: bool) -> None:
    """Let every job find the finished files of other runs, or none."""
    os.environ[_VARIABLE] = _FOLDER if wanted else ""


def shared_store() -> Store | None:
    """The finished files of other runs, where `export_reuse` has said so."""
    folder = os.environ.get(_VARIABLE)
    return Store(folder) if folder else None


def made_once(
    identity: str,
    files: Sequence[str | Path],
    make: Callable[[], None],
    store: Store | None,
) -> None:
    """Take files that an earlier run has made, or make them and keep them for later ones.

    Parameters
    ----------
    identity : str
        Digest of everything that the files depend on.
    files : sequence of path
        What `make` writes.
    make : callable
    store : Store or None
        None: they are made in any case, and not kept.
    """
    paths = [Path(file) for file in files]
    if store is None:
        make()
    elif store.take(identity, paths):
        say("taken from an earlier run: nothing had changed")
    else:
        make()
        store.keep(identity, paths)


def _names(files: Sequence[Path]) -> list[str]:
    """Files of several folders may have the same name."""
    return [f"{number}-{file.name}" for number, file in enumerate(files)]


def _link(file: Path, kept: Path) -> None:
    try:
        os.link(file, kept)
    except OSError:
        shutil.copyfile(file, kept)


@cache
def _software() -> str:
    return text_digest(sys.version_info[:3], *map(version, _LIBRARIES))
