"""Where the built-in data sets come from; fetching them so that only the right bytes are used."""

import hashlib
import os
import time
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pooch

from latentcell.data.opening import is_gzip, open_bytes
from latentcell.errors import InputError
from latentcell.io import atomic
from latentcell.progress import Progress

DATA_VARIABLE = "LATENTCELL_DATA"
_DEPOSIT = "https://raw.githubusercontent.com/laurasansc/02456_scVAE"
_TENX = "https://cf.10xgenomics.com/samples/cell-exp/1.1.0/fresh_68k_pbmc_donor_a"
_PAPER = "https://raw.githubusercontent.com/10XGenomics/single-cell-3prime-paper/master"
_ATTEMPTS = 3
_PAUSE = 1.0
# Seconds of silence, and after how many a whole download is to have come at so many bytes each.
_TIMEOUT = 30.0
_PATIENCE = 60.0
_SLOWEST = 1000
_MOST_BYTES = 2**31
_MEGABYTE = 1e6
_CHUNK = 2**20


@dataclass(frozen=True)
class Source:
    """One file of a data set.

    Attributes
    ----------
    name
        File name under ``resources/<dataset>/``.
    sha256
        Digest of the content; with `unpacked` that of the content behind gzip, so that the
        plain file and any compression of it are equally good.
    urls
        Addresses that are tried in turn; without any the file is only looked for locally.
    aliases
        Other names under which the file may lie.
    folder
        Name of the folder in which copies of the data are handed around.
    unpacked
        Whether `sha256` is that of the unpacked content.
    required
        Whether the data set is unusable without it.
    """

    name: str
    sha256: str
    urls: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    folder: str = ""
    unpacked: bool = True
    required: bool = True

    def file_names(self) -> Iterator[str]:
        """Every name under which the file may lie."""
        for name in (self.name, *self.aliases):
            yield name
            if self.unpacked:
                yield f"{name}.gz" if not name.endswith(".gz") else name.removesuffix(".gz")


_MATRIX = Source(
    name="fresh_68k_pbmc_donor_a_filtered_gene_bc_matrices.tar.gz",
    sha256="3f35f37ff344bc9b32f97cd003ac986ebb9b5d7f31006c53dff4cb38da267931",
    urls=(f"{_TENX}/fresh_68k_pbmc_donor_a_filtered_gene_bc_matrices.tar.gz",),
    folder="pbmc68k_official",
    unpacked=False,
)
GENES = Source(
    name="hg19_genes.tsv",
    sha256="8778dd78085086be6dcafa8334f95f7cf76b25526e8ef2b63186db5127a1492c",
    folder="pbmc68k_official",
    required=False,
)

SOURCES: dict[str, dict[str, Source]] = {
    "pbmc68k-study": {
        "counts": Source(
            name="subset1300_counts.tsv.gz",
            sha256="8e20d8fb342cfca222c05853b24597ba58171f3725147577285e577855e95165",
            # The authors renamed the file between commits; the digest settles which is meant.
            urls=(
                f"{_DEPOSIT}/main/data/raw/counts_subset.tsv.gz",
                f"{_DEPOSIT}/1696b7bf0f0abff6e1207168e15488fb7c7289b0/data/raw/counts_subset.tsv.gz",
                f"{_DEPOSIT}/main/data/raw/subset1300_counts.tsv.gz",
            ),
            aliases=("counts_subset.tsv.gz",),
            folder="pbmc68k_study",
        ),
        "cell_types": Source(
            name="subset1300_celltypes.tsv",
            sha256="0ba021adc28ec03bd51d06104c90cef08a814fb21ef4251edae9aa2fcf18a073",
            urls=(
                f"{_DEPOSIT}/main/data/raw/subset1300_celltypes.tsv",
                f"{_DEPOSIT}/322436002effdb9d7a71129150c0f4a8d7a64c66/data/raw/subset1300_celltypes.tsv",
            ),
            folder="pbmc68k_study",
        ),
        # The deposit has no gene names: they are taken from the 10x files where those lie at hand.
        "genes": GENES,
        "matrix": Source(
            name=_MATRIX.name,
            sha256=_MATRIX.sha256,
            folder=_MATRIX.folder,
            unpacked=False,
            required=False,
        ),
    },
    "pbmc68k": {
        "matrix": _MATRIX,
        "annotation": Source(
            name="68k_pbmc_barcodes_annotation.tsv",
            sha256="98dc85c047b56cb209ece200b7bebeb2ad53634ff3d5f42143987f59510624b3",
            urls=(f"{_PAPER}/pbmc68k_analysis/68k_pbmc_barcodes_annotation.tsv",),
            folder="pbmc68k_official",
        ),
    },
}


def fetch(dataset: str, resources: Path, progress: bool = False) -> dict[str, Path]:
    """Find or download the files of a built-in data set.

    A file that lies in `resources` (or in the folder named by ``LATENTCELL_DATA``), flat, under
    the data set's name or in the folder it is handed around in, is used without touching the
    network, provided that its content has the right digest. Wrong bytes are never used: in
    `resources` they are renamed to ``<name>.wrong-<first 8 digits>``.

    Parameters
    ----------
    dataset
        Name of a built-in data set; one without downloads gives an empty mapping.
    resources
        Folder for downloads.
    progress
        Whether to tell how far a download has come.

    Returns
    -------
    dict
        Path of each file by its role, such as ``counts``; optional files that are not at hand
        are left out.

    Raises
    ------
    InputError
        A required file is neither at hand nor to be downloaded.
    """
    found: dict[str, Path] = {}
    for role, source in SOURCES.get(dataset, {}).items():
        path = fetch_source(source, dataset, Path(resources), progress)
        if path is not None:
            found[role] = path
    return found


def fetch_source(
    source: Source, dataset: str, resources: Path, progress: bool = False
) -> Path | None:
    """Find or download one file; None where an optional one is not to be had.

    Raises `InputError` where a required file is not to be had.
    """
    remarks: list[str] = []
    for path in _candidates(source, dataset, resources):
        digest = content_digest(path, unpacked=source.unpacked)
        if digest == source.sha256:
            return path
        remarks.append(_set_aside(path, digest, resources))
    target = resources / dataset / source.name
    for url in source.urls:
        failure = _download(source, url, target, progress)
        if failure is None:
            if remarks:
                warnings.warn("; ".join(remarks), stacklevel=2)
            return target
        remarks.append(failure)
    if source.required:
        raise InputError(_plea(source, target, remarks))
    if remarks:
        warnings.warn("; ".join(remarks), stacklevel=2)
    return None


def content_digest(path: Path, *, unpacked: bool) -> str:
    """SHA-256 of a file's content, behind gzip with `unpacked`.

    A gzip file that does not unpack is hashed as it lies: it matches nothing that is expected.
    """
    if unpacked and is_gzip(path):
        try:
            with open_bytes(path) as stream:
                return _digest(stream)
        except (OSError, EOFError, zlib.error):
            pass
    with path.open("rb") as plain:
        return _digest(plain)


def _digest(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    return digest.hexdigest()


def _candidates(source: Source, dataset: str, resources: Path) -> Iterator[Path]:
    """Files that may be the wanted one, the likeliest first."""
    roots = [resources]
    if os.environ.get(DATA_VARIABLE):
        roots.append(Path(os.environ[DATA_VARIABLE]))
    for root in roots:
        for folder in dict.fromkeys((dataset, ".", source.folder or ".")):
            for name in source.file_names():
                path = root / folder / name
                if path.is_file():
                    yield path


def _set_aside(path: Path, digest: str, resources: Path) -> str:
    """Take a file with wrong bytes out of the way and say so; others' folders are left alone."""
    remark = f"{path} has the wrong content (sha256 {digest})"
    if not path.is_relative_to(resources):
        return f"{remark} and was passed over"
    wrong = path.with_name(f"{path.name}.wrong-{digest[:8]}")
    path.replace(wrong)
    return f"{remark} and was renamed to {wrong.name}"


class _Watch:
    """What pooch moves as a progress bar; it also ends a download that would never end."""

    def __init__(self, name: str, shown: bool) -> None:
        self.total = 0  # set by pooch; 0 where the server does not tell
        self._name, self._shown = name, shown
        self._begun, self._bytes = time.monotonic(), 0
        self._progress: Progress | None = None
        self._ended = False

    def update(self, number: int) -> None:
        """So many more bytes have come."""
        if self._ended:
            return
        before, self._bytes = self._bytes, self._bytes + number
        if self._bytes > _MOST_BYTES:
            raise OSError(f"more than {_MOST_BYTES:,} bytes")
        seconds = time.monotonic() - self._begun
        if seconds > _PATIENCE and self._bytes < _SLOWEST * seconds:
            raise OSError(f"less than {_SLOWEST:,} bytes a second")
        if self._shown and self.total and self._bytes // _MEGABYTE > before // _MEGABYTE:
            self._show()

    def _show(self) -> None:
        here, whole = int(self._bytes / _MEGABYTE), int(self.total / _MEGABYTE)
        if self._progress is None:
            self._progress = Progress(self._name, max(1, whole))
        self._progress.report(here, "MB")

    def reset(self) -> None:
        """All has come; what pooch counts from here on is for bars."""
        self._ended = True

    def close(self) -> None:
        """There is nothing to close."""


def _in_words(error: OSError) -> str:
    """What libraries raise by its name, what is raised here by what it says."""
    return str(error) if type(error) is OSError else type(error).__name__


class _WrongContentError(Exception):
    """What came is not what was asked for, such as a login page."""


def _download(source: Source, url: str, target: Path, progress: bool) -> str | None:
    """Download to a temporary name, check, rename; returns what went wrong, if anything."""
    reason = ""
    for attempt in range(_ATTEMPTS):
        time.sleep(attempt * _PAUSE)
        watch = _Watch(source.name, progress)
        downloader = pooch.HTTPDownloader(progressbar=watch, timeout=_TIMEOUT)
        try:
            with atomic(target) as temporary:
                downloader(url, str(temporary), None)
                _refuse_wrong_content(source, url, target, temporary)
            return None
        except _WrongContentError as error:
            return str(error)
        except OSError as error:  # which every exception of requests is
            reason = f"{url} could not be downloaded ({_in_words(error)})"
            if getattr(error, "response", None) is not None:
                break  # the server has answered: asking again would not change its mind
    return reason


def _refuse_wrong_content(source: Source, url: str, target: Path, temporary: Path) -> None:
    digest = content_digest(temporary, unpacked=source.unpacked)
    if digest == source.sha256:
        return
    wrong = target.with_name(f"{target.name}.wrong-{digest[:8]}")
    temporary.replace(wrong)
    raise _WrongContentError(
        f"{url} gave the wrong content (sha256 {digest}), which was kept as {wrong.name}"
    )


def _plea(source: Source, target: Path, remarks: list[str]) -> str:
    kind = "unpacked content" if source.unpacked else "file"
    why = f" ({'; '.join(remarks)})" if remarks else ""
    return (
        f"{target}: expected the file {source.name} (sha256 of its {kind}: {source.sha256}), "
        f"found none that is right and no way to download it{why}: put it there by hand"
    )
