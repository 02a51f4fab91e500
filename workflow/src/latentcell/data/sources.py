"""Sources of the built-in data sets, and downloads that are checked against their SHA-256."""

import hashlib
import os
import time
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import pooch

from latentcell.config.datasets import BUILT_IN
from latentcell.data.opening import is_gzip, open_bytes
from latentcell.data.recording import record_file, recorded
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import atomic
from latentcell.runtime.progress import Progress

DATA_VARIABLE = "LATENTCELL_DATA"
_DEPOSIT = "https://raw.githubusercontent.com/laurasansc/02456_scVAE"
_PAPER = "https://raw.githubusercontent.com/10XGenomics/single-cell-3prime-paper/master"
_ATTEMPTS = 3
_PAUSE = 1.0
# Seconds of silence; seconds after which a download must have a minimum average of bytes a second.
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
        Digest of the content; with `unpacked` that of the unpacked content, so that the plain
        file and any compression of it are accepted; empty if any content is accepted.
    urls
        Addresses that are tried in turn; without any, the file is only looked up locally.
    aliases
        Other names of the file.
    folder
        Name of the folder in which copies of the data are distributed.
    unpacked
        Whether `sha256` is that of the unpacked content.
    required
        Whether the data set requires the file.
    anywhere
        Whether the file is also looked up outside the folder of the data set.
    """

    name: str
    sha256: str
    urls: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    folder: str = ""
    unpacked: bool = True
    required: bool = True
    anywhere: bool = True

    def is_right(self, digest: str) -> bool:
        """Tell whether a digest is the expected one."""
        return self.sha256 in ("", digest)

    def file_names(self) -> Iterator[str]:
        """Iterate over all names of the file."""
        for name in (self.name, *self.aliases):
            yield name
            if self.unpacked:
                yield f"{name}.gz" if not name.endswith(".gz") else name.removesuffix(".gz")


# Address and digest of the main files are in the table of data sets.
_STUDY, _FULL = BUILT_IN["pbmc68k-study"], BUILT_IN["pbmc68k"]
_MATRIX = Source(
    name=_FULL.source.rpartition("/")[2],
    sha256=_FULL.sha256,
    urls=(_FULL.source,),
    folder="pbmc68k_official",
    unpacked=False,
)
GENES = Source(
    name="hg19_genes.tsv",
    sha256="8778dd78085086be6dcafa8334f95f7cf76b25526e8ef2b63186db5127a1492c",
    folder="pbmc68k_official",
    required=False,
)
# The ten purified populations of Zheng et al. (2017), by their names at 10x.
POPULATIONS = {
    "cd34": "CD34+",
    "b_cells": "CD19+ B",
    "cd14_monocytes": "CD14+ Monocyte",
    "cd56_nk": "CD56+ NK",
    "cd4_t_helper": "CD4+ T Helper2",
    "regulatory_t": "CD4+/CD25 T Reg",
    "naive_t": "CD4+/CD45RA+/CD25- Naive T",
    "memory_t": "CD4+/CD45RO+ Memory",
    "cytotoxic_t": "CD8+ Cytotoxic T",
    "naive_cytotoxic": "CD8+/CD45RA+ Naive Cytotoxic",
}
# Folder of a part of the sorted cells, in which each barcode ends in the name of its population.
SORTED_PART = "truth/zheng_sorted"
# Folder of the published part of the frozen cells: 2,896 cells, and the genes that some express.
FROZEN_PART = "truth/frozen_pbmc_donor_a"
_FROZEN = BUILT_IN["frozen-pbmc-donor-a"]
_METADATA = {
    "sc-mixology-celseq2": "78429916bac394d92d8c972059a8f195c5479ce578da04f1eb3ba599585ef3d9",
    "sc-mixology-dropseq": "4c48f3e13778e89192d9861095bc102cc0deb9eba1a7f47a093f5a058ce1aa6a",
    "sc-mixology-5cl-p1": "a6f5b206f891113162d2c9af27860c187a04ccd8848f9bc29be97dfa95eeadc4",
    "sc-mixology-5cl-p2": "06d2f3b9fd646b4a3c1e6d1af7205c7eec1017bfab9a4c68853f9a3fc97be836",
}


def _mixology(address: str, sha256: str) -> Source:
    """File of sc_mixology."""
    name = address.rpartition("/")[2]
    return Source(name, sha256, (address,), folder="truth/sc_mixology", unpacked=False)


def _sorted_archive(population: str) -> Source:
    """Archive of a purified population; its SHA-256 is recorded at the first download."""
    address = BUILT_IN["zheng-sorted"].source.replace("NAME", population)
    return Source(
        address.rpartition("/")[2], "", (address,), folder="truth/zheng_sorted", unpacked=False
    )


def _part(name: str, sha256: str, unpacked: bool = True) -> Source:
    """File of a part of a data set, which serves where it lies in the folder of the part."""
    return Source(name, sha256, unpacked=unpacked, required=False, anywhere=False)


SOURCES: dict[str, dict[str, Source]] = {
    "pbmc68k-study": {
        "counts": Source(
            name="subset1300_counts.tsv.gz",
            sha256=_STUDY.sha256,
            # The authors renamed the file between commits; the digest identifies it.
            urls=(
                _STUDY.source,
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
        # The deposit has no gene names: they come from the 10x files if these are available.
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
    "zheng-sorted": {name: _sorted_archive(name) for name in POPULATIONS},
    SORTED_PART: {
        "counts": _part(
            "counts.npz", "48f75d94792b7f8b93efe0dd484a5a76ae1666903d5e1e113f9557367ba98133", False
        ),
        "labels": _part(
            "labels.tsv", "0285d594f9290582f86e89170afab38072766c6006ba688080fef60015f1769f"
        ),
        "genes": replace(GENES, name="genes.tsv", anywhere=False),
    },
    "frozen-pbmc-donor-a": {
        "matrix": Source(
            name=_FROZEN.source.rpartition("/")[2],
            sha256="",
            urls=(_FROZEN.source,),
            folder=FROZEN_PART,
            unpacked=False,
        ),
    },
    FROZEN_PART: {
        "counts": _part(
            "counts.npz", "bda7e65250dd9d94c7e3bb6d8e22c5a4b977a48e6168d9e95de4d3d720abeb7c", False
        ),
        "cells": _part(
            "cells.tsv", "b896cdd772daded3edb527c31a37bb1451dd8332c06b39802ceb4eb86cfd3475"
        ),
        "genes": _part(
            "genes.tsv", "92778f432f2e74baf8d1b2451f97b074f49b058ee53408549e7b73671b856f1a"
        ),
    },
    **{
        name: {
            "counts": _mixology(BUILT_IN[name].source, BUILT_IN[name].sha256),
            "metadata": _mixology(BUILT_IN[name].source.replace(".count.", ".metadata."), digest),
        }
        for name, digest in _METADATA.items()
    },
}


def fetch(dataset: str, resources: Path, progress: bool = False) -> dict[str, Path]:
    """Find or download the files of a built-in data set.

    A file in `resources` (or in the folder of ``LATENTCELL_DATA``), flat, under the name of the
    data set or in the folder in which it is distributed, is used without network access if its
    digest is right. A file without a known digest is compared with the record of its first
    download. Wrong content is never used: in `resources` it is renamed to
    ``<name>.wrong-<first 8 digits>``.

    Parameters
    ----------
    dataset
        Name of a built-in data set; one without downloads gives an empty mapping.
    resources
        Folder for downloads.
    progress
        Whether to report the progress of a download.

    Returns
    -------
    dict
        Path of each file by its role, such as ``counts``; without optional files that are not
        available.

    Raises
    ------
    InputError
        If a required file is not available and cannot be downloaded.
    """
    found: dict[str, Path] = {}
    known = recorded(record_file(dataset, Path(resources)))
    for role, source in SOURCES.get(dataset, {}).items():
        if not source.sha256:
            source = replace(source, sha256=known.get(source.name, ""))
        path = fetch_source(source, dataset, Path(resources), progress)
        if path is not None:
            found[role] = path
    return found


def fetch_source(
    source: Source, dataset: str, resources: Path, progress: bool = False
) -> Path | None:
    """Find or download one file; None if an optional one is not available.

    Raises `InputError` if a required file is not available.
    """
    remarks: list[str] = []
    for path in _candidates(source, dataset, resources):
        digest = content_digest(path, unpacked=source.unpacked)
        if source.is_right(digest):
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
        raise InputError(_unavailable(source, target, remarks))
    if remarks:
        warnings.warn("; ".join(remarks), stacklevel=2)
    return None


def at_hand(source: Source, dataset: str, resources: Path) -> Path | None:
    """Find a file with the right content; nothing is downloaded or renamed."""
    for path in _candidates(source, dataset, resources):
        if source.is_right(content_digest(path, unpacked=source.unpacked)):
            return path
    return None


def content_digest(path: Path, *, unpacked: bool) -> str:
    """Return the SHA-256 of a file's content, unpacked by gzip with `unpacked`.

    A gzip file that does not unpack is hashed as stored, which matches no expected digest.
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
    """Iterate over files that may be the wanted one, the likeliest first."""
    roots = [resources]
    if os.environ.get(DATA_VARIABLE):
        roots.append(Path(os.environ[DATA_VARIABLE]))
    for root in roots:
        elsewhere = (".", source.folder or ".") if source.anywhere else ()
        for folder in dict.fromkeys((dataset, *elsewhere)):
            for name in source.file_names():
                path = root / folder / name
                if path.is_file():
                    yield path


def _set_aside(path: Path, digest: str, resources: Path) -> str:
    """Rename a file with wrong content and report it; files of other folders are left alone."""
    remark = f"{path} has the wrong content (sha256 {digest})"
    if not path.is_relative_to(resources):
        return f"{remark} and was passed over"
    wrong = path.with_name(f"{path.name}.wrong-{digest[:8]}")
    path.replace(wrong)
    return f"{remark} and was renamed to {wrong.name}"


class _Watch:
    """Progress bar for pooch that also ends a download without end."""

    def __init__(self, name: str, shown: bool) -> None:
        self.total = 0  # Set by pooch; 0 if the server does not send it.
        self._name, self._shown = name, shown
        self._begun, self._bytes = time.monotonic(), 0
        self._progress: Progress | None = None
        self._ended = False

    def update(self, number: int) -> None:
        """Count further bytes."""
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
        """Mark the end of the download; pooch's later updates are for display."""
        self._ended = True

    def close(self) -> None:
        """Do nothing."""


def _error_text(error: OSError) -> str:
    """Return the message of our own errors and the class name of others."""
    return str(error) if type(error) is OSError else type(error).__name__


class _WrongContentError(Exception):
    """The download has another content, such as a login page."""


def _download(source: Source, url: str, target: Path, progress: bool) -> str | None:
    """Download to a temporary name, check and rename; returns the error message, if any."""
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
        except OSError as error:  # Base class of all exceptions of requests.
            reason = f"{url} could not be downloaded ({_error_text(error)})"
            if getattr(error, "response", None) is not None:
                break  # The server has answered: another attempt would give the same.
    return reason


def _refuse_wrong_content(source: Source, url: str, target: Path, temporary: Path) -> None:
    digest = content_digest(temporary, unpacked=source.unpacked)
    if source.is_right(digest):
        return
    wrong = target.with_name(f"{target.name}.wrong-{digest[:8]}")
    temporary.replace(wrong)
    raise _WrongContentError(
        f"{url} gave the wrong content (sha256 {digest}), which was kept as {wrong.name}"
    )


def _unavailable(source: Source, target: Path, remarks: list[str]) -> str:
    kind = "unpacked content" if source.unpacked else "file"
    digest = f" (sha256 of its {kind}: {source.sha256})" if source.sha256 else ""
    why = f" ({'; '.join(remarks)})" if remarks else ""
    return (
        f"{target}: expected the file {source.name}{digest}, "
        f"found none with the right content and no download{why}: put it there by hand"
    )
