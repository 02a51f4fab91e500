"""Entries of `datasets`: the data sets of a run."""

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, model_validator

from latentcell.config.datasets import BUILT_IN, NAME_PATTERN, SHA256_PATTERN, known_datasets
from latentcell.config.settings.base import Section

BUILT_IN_DATASETS = tuple(BUILT_IN)
# Folders of every run beside those of its data sets.
RUN_FOLDERS = (
    *("annotate", "benchmarks", "changed", "checksums", "comparison", "deposit", "figures", "logs"),
    *("records", "samples", "tables", "variants"),
)
_REMOTE = ("http://", "https://")


class DatasetSettings(Section):
    """A data set; the name is enough for built-in ones and those in `config/datasets.tsv`."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)] = Field(
        "pbmc68k-sample",
        description="`pbmc68k-sample` (the 700 cells of scanpy, no download), "
        "`pbmc68k-study` (the 1,500 cells that the authors deposited), `pbmc68k` (all 68,579 "
        "cells from 10x), `zheng-sorted` (cells sorted by antibodies), `sc-mixology-celseq2`, "
        "`sc-mixology-dropseq`, `sc-mixology-5cl-p1`, `sc-mixology-5cl-p2` (cell lines known by "
        "genotype), `simulated-mixture` (cells drawn from a known GMVAE), a name in "
        "`config/datasets.tsv`, or any other name for the file in `path`.",
    )
    path: str | None = Field(
        None,
        description="File or 10x folder, or address (`https://...`) of a file, which is "
        "downloaded to `resources/<name>/`.",
    )
    sha256: Annotated[str, Field(pattern=SHA256_PATTERN)] | None = Field(
        None,
        description="SHA-256 of the file in `path`; null: not checked. The SHA-256 of a download "
        "is recorded in `resources/<name>.sha256` and checked afterwards.",
    )
    format: Literal["auto", "h5ad", "10x-h5", "10x-mtx", "loom", "table"] = Field(
        "auto", description="Format of `path`; `auto`: by the name of the file."
    )
    layer: str | None = Field(
        None,
        description="Counts in an `.h5ad` or Loom file: name of a layer, `raw`, or null for `X`.",
    )
    label_column: str | None = Field(
        None, description="Column of `obs` (or of the `labels` file) with the cell types."
    )
    labels: str | None = Field(
        None,
        description="TSV or CSV file with a column of barcodes and a column of cell types, "
        "for formats without annotation.",
    )
    unlabelled: Literal["refuse", "leave-out"] = Field(
        "refuse", description="Treatment of cells without a type."
    )
    doublets: Literal["leave-out", "keep"] = Field(
        "leave-out",
        description="Treatment of cells that genotypes show to be doublets, in the data sets "
        "`sc-mixology-...`.",
    )
    batch_column: str | None = Field(
        None,
        description="Column of `obs` (or of the `labels` file) with the batch of each cell; "
        "for `vae.batch_correction`.",
    )
    orientation: Literal["cells-by-genes", "genes-by-cells"] = Field(
        "cells-by-genes", description="Rows and columns of a TSV or CSV table."
    )

    @property
    def is_built_in(self) -> bool:
        """Whether the data set is built in."""
        return self.name in BUILT_IN_DATASETS

    @property
    def is_remote(self) -> bool:
        """Whether `path` is an address to download from."""
        return self.path is not None and self.path.startswith(_REMOTE)

    def file_name(self) -> str:
        """Return the name of the file at an address."""
        return unquote(urlsplit(self.path or "").path.rpartition("/")[2])

    def local_files(self) -> list[str]:
        """Return the user's files and folders that must exist before a run."""
        names = [None if self.is_remote else self.path, self.labels]
        return [name for name in names if name is not None]

    @model_validator(mode="before")
    @classmethod
    def _filled_in_from_table(cls, values: Any) -> Any:
        """Fill in missing path, SHA-256 and label column from the table."""
        if not isinstance(values, dict) or values.get("path") is not None:
            return values
        name = values.get("name")
        if not isinstance(name, str) or name in BUILT_IN or name not in (known := known_datasets()):
            return values
        row = known[name]
        found = {
            "path": row.source,
            "sha256": row.sha256 or None,
            "label_column": row.label_column or None,
        }
        return found | {key: value for key, value in values.items() if value is not None}

    @model_validator(mode="after")
    def _path_fits_name(self) -> Self:
        if self.name in RUN_FOLDERS:
            raise ValueError(f"{self.name!r} is the name of a folder of every run: choose another")
        if self.is_built_in and (self.path is not None or self.sha256 is not None):
            key = "sha256" if self.path is None else "path"
            raise ValueError(
                f"{key} is for your own data, but {self.name!r} is built in: choose another name"
            )
        if not self.is_built_in and self.path is None:
            raise ValueError(
                f"{self.name!r} is not built in ({', '.join(BUILT_IN_DATASETS)}) and has no row "
                "in config/datasets.tsv: set path"
            )
        if self.doublets == "keep" and not self.name.startswith("sc-mixology-"):
            raise ValueError(
                f"doublets: only the data sets sc-mixology-... name doublets, found {self.name!r}"
            )
        if self.path is not None and "://" in self.path and not self.is_remote:
            raise ValueError(
                f"path: expected a file, a folder or an address https://..., found {self.path!r}"
            )
        if self.is_remote and not re.match(NAME_PATTERN, self.file_name()):
            raise ValueError(
                f"path: expected an address that ends in a file name, found {self.path!r}"
            )
        return self


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


# A string is a section with this name alone.
DatasetEntry = Annotated[
    DatasetSettings, BeforeValidator(_named, json_schema_input_type=str | DatasetSettings)
]
