"""Entries of `datasets`: the data sets of a run."""

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field, model_validator

from latentcell.config.datasets import BUILT_IN, NAME_PATTERN, SHA256_PATTERN, known_datasets
from latentcell.config.settings.base import PositiveInt, Section, Seed, repeated

BUILT_IN_DATASETS = tuple(BUILT_IN)
# Folders of every run beside those of its data sets.
RUN_FOLDERS = (
    *("annotate", "benchmarks", "changed", "checksums", "comparison", "deposit", "figures", "logs"),
    *("records", "samples", "tables", "variants"),
)
# Files and folders of every run, whose names no data set may have.
RUN_NAMES = (*RUN_FOLDERS, "answer.html", "config.yaml", "report.html")
# Subtypes of T cells in the data sets with the labels of Zheng et al. (2017).
_T_CELLS = (
    *("CD4+ T Helper2", "CD4+/CD25 T Reg", "CD4+/CD45RA+/CD25- Naive T", "CD4+/CD45RO+ Memory"),
    *("CD8+ Cytotoxic T", "CD8+/CD45RA+ Naive Cytotoxic"),
)
_WITH_T_CELLS = ("pbmc68k-sample", "pbmc68k-study", "pbmc68k", "zheng-sorted")
_REMOTE = ("http://", "https://")
# Keys about files; a derived data set has none.
_OF_FILES = (
    *("sha256", "format", "layer", "label_column", "labels", "unlabelled", "doublets"),
    *("batch_column", "orientation", "genome", "first_cells"),
)


class DatasetSettings(Section):
    """A data set; built-in ones and those in `config/datasets.tsv` need only a name."""

    name: Annotated[str, Field(pattern=NAME_PATTERN)] = Field(
        "pbmc68k-sample",
        description="`pbmc68k-sample` (the 700 cells of scanpy, no download), "
        "`pbmc68k-study` (the 1,500 cells that the authors deposited), `pbmc68k` (all 68,579 "
        "cells from 10x), `zheng-sorted` (cells sorted by antibodies), `sc-mixology-celseq2`, "
        "`sc-mixology-dropseq`, `sc-mixology-5cl-p1`, `sc-mixology-5cl-p2` (cell lines known by "
        "genotype), `simulated-mixture` (cells drawn from a known GMVAE), `frozen-pbmc-donor-a` "
        "(cells without types), a name in `config/datasets.tsv`, or any other name for the file "
        "in `path`.",
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
        "auto",
        description="Format of `path`; `auto`: detected from the name and, for HDF5, from "
        "the content.",
    )
    layer: str | None = Field(
        None,
        description="Counts in an `.h5ad` or Loom file: name of a layer, `raw`, or null for `X`; "
        "`layers/raw` for a layer named `raw`. Required, for example as `X`, if `X` does not "
        "clearly hold the counts.",
    )
    label_column: str | None = Field(
        None, description="Column of `obs` (or of the `labels` file) with the cell types."
    )
    labels: str | None = Field(
        None,
        description="TSV or CSV file with a column of barcodes and a column of cell types, for "
        "formats without cell types.",
    )
    unlabelled: Literal["refuse", "leave-out", "only"] = Field(
        "refuse",
        description="Treatment of cells without a type. `only`: types are not read, and the data "
        "set has no grid; derived data sets can learn from its cells (`with_unlabelled`).",
    )
    doublets: Literal["leave-out", "keep"] = Field(
        "leave-out",
        description="Treatment of doublets, known by genotype, in the data sets `sc-mixology-...`.",
    )
    batch_column: str | None = Field(
        None,
        description="Column of the `labels` file or of `obs` with the batch of each cell; "
        "for `vae.batch_correction`.",
    )
    coarse_types: dict[str, Annotated[list[str], Field(min_length=2)]] | None = Field(
        None,
        description="Groups of types for measures with merged types, in addition to all types, "
        "such as `T cells: [CD4 T, CD8 T]`; null: T cells of the built-in PBMC data sets, else "
        "none; `{}`: none. A change retrains nothing.",
    )
    orientation: Literal["auto", "cells-by-genes", "genes-by-cells"] = Field(
        "auto",
        description="Rows and columns of a TSV or CSV table, or of a `matrix.mtx`; `auto`: "
        "detected from names, or from the numbers of rows and columns. If the names of a table "
        "are ambiguous, rows are cells.",
    )
    genome: str | None = Field(
        None, description="Genome whose genes are read, if the matrix has several."
    )

    first_cells: PositiveInt | None = Field(
        None,
        description="Number of cells that are taken from the beginning of the data; null: all. The "
        "study used the first 1,300 of `pbmc68k-study`.",
    )
    derived_from: str | None = Field(
        None,
        description="Another data set of the run that provides the cells. With `shares`: as many "
        "cells as possible with other class shares; with `test_on`: the training and validation "
        "cells; with `with_unlabelled`: all cells.",
    )
    shares: str | None = Field(
        None,
        description="With `derived_from`: `equal`, or the data set of the run whose class shares "
        "are taken.",
    )
    test_on: str | None = Field(
        None,
        description="With `derived_from`: the data set of the run whose cells are test cells, a "
        "random half in each replicate. Only shared types and genes are used.",
    )
    with_unlabelled: list[str] = Field(
        [],
        description="With `derived_from`: data sets of the run with `unlabelled: only`. "
        "Representations that need no types are also fitted on their cells. Only shared genes are "
        "used.",
    )
    seed: Seed = Field(1, description="Seed of the draw with `shares`.")

    @property
    def is_derived(self) -> bool:
        """Whether the data set is made from others of the run."""
        return self.derived_from is not None

    def sources(self) -> list[str]:
        """Return the names of the data sets of the run that this one is made from."""
        names = [self.derived_from, self.test_on, None if self.shares == "equal" else self.shares]
        return [*(name for name in names if name is not None), *self.with_unlabelled]

    @property
    def has_types(self) -> bool:
        """Whether the cells have types; others only add to what representations learn from."""
        return self.unlabelled != "only"

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

    def type_groups(self) -> dict[str, list[str]]:
        """Return the types that are merged in coarse measures, by name of the group."""
        if self.coarse_types is not None:
            return dict(self.coarse_types)
        return {"T cells": list(_T_CELLS)} if self.name in _WITH_T_CELLS else {}

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
        if isinstance(name, str) and name in BUILT_IN and not BUILT_IN[name].label_column:
            return values | {"unlabelled": "only"}
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
    def _in_one_group(self) -> Self:
        types = [one for group in (self.coarse_types or {}).values() for one in group]
        if (twice := repeated(types)) is not None:
            raise ValueError(f"coarse_types names {twice!r} twice")
        return self

    @model_validator(mode="after")
    def _path_fits_name(self) -> Self:
        if self.name in RUN_NAMES:
            raise ValueError(
                f"{self.name!r} is the name of a file or folder of every run: choose another"
            )
        if self.is_built_in and (self.path is not None or self.sha256 is not None):
            key = "sha256" if self.path is None else "path"
            raise ValueError(
                f"{key} is for your own data, but {self.name!r} is built in: choose another name"
            )
        self._check_derived()
        if not self.is_built_in and not self.is_derived and self.path is None:
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

    def _check_derived(self) -> None:
        ways = [key for key in ("shares", "test_on", "with_unlabelled") if getattr(self, key)]
        if self.is_derived and (len(ways) != 1 or self.is_built_in or self.path is not None):
            raise ValueError(
                f"derived_from: expected a new name, no path, and one of shares, test_on and "
                f"with_unlabelled for {self.name!r}, found {' and '.join(ways) or 'none of them'}"
            )
        if self.is_derived and not self.has_types:
            raise ValueError(f"unlabelled: only a file can be without types, found {self.name!r}")
        default = type(self).model_fields
        for key in _OF_FILES if self.is_derived else ():
            if getattr(self, key) != default[key].default:
                raise ValueError(f"{key}: {self.name!r} is derived: set it for its source")
        if ways and not self.is_derived:
            raise ValueError(
                f"{ways[0]}: expected derived_from, the data set whose cells are taken, found none"
            )


def _named(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


# A string is a section with this name alone.
DatasetEntry = Annotated[
    DatasetSettings, BeforeValidator(_named, json_schema_input_type=str | DatasetSettings)
]
