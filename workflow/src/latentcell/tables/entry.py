"""Entries of the catalogue of tables."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from latentcell.config.methods import role
from latentcell.config.names import ModelName, pca_name
from latentcell.config.settings import LatentsSettings, Settings
from latentcell.grid.variants import classifiers_of
from latentcell.study.published import STUDY
from latentcell.tables.headings import HEADINGS, Heading

if TYPE_CHECKING:
    import pandas as pd

    from latentcell.tables.render import Column

Records: TypeAlias = "Mapping[str, pd.DataFrame]"
Category = Literal["Tables", "Comparison"]


def has_deposit(settings: Settings) -> bool:
    """Whether a run has the data set with deposited inputs of the classifier."""
    return STUDY in settings.dataset_names()


def baselines_of(settings: Settings) -> list[str]:
    """Representations with which others are compared: raw counts and principal components.

    Of the principal components those are taken whose number is closest to
    `comparison.ablation_components`.
    """
    wanted, numbers = settings.comparison.ablation_components, settings.pca_components()
    raw = [name for name in settings.baselines() if name == "raw"]
    return raw + [pca_name(k) for k in sorted(numbers, key=lambda k: abs(k - wanted))[:1]]


def has_contrasts(settings: Settings) -> bool:
    """Whether a run has a representation and a baseline with a common classifier."""
    return any(
        first != second and set(classifiers_of(settings, first)) & set(fitting)
        for second in baselines_of(settings)
        if (fitting := classifiers_of(settings, second))
        for first in settings.representations()
    )


def shares_splits(settings: Settings) -> bool:
    """Whether all inputs of a replicate have the same cells and split."""
    return settings.latents == LatentsSettings() and settings.ffnn.split == "shared"


def has_class_contrasts(settings: Settings) -> bool:
    """Whether a run has the latent of the contrasts by type, on the same test cells as others."""
    latent = settings.comparison.ablation_model
    return (
        shares_splits(settings)
        and latent in settings.representations()
        and any(
            set(classifiers_of(settings, latent)) & set(classifiers_of(settings, second))
            for second in baselines_of(settings)
        )
    )


def role_of(settings: Settings, representation: str) -> str:
    """Return the part of a representation, or of a consensus by its experts.

    Returns
    -------
    str
        ``oracle`` with an expert that knows how the types were made, otherwise ``latent`` with a
        learnt latent, otherwise ``baseline``.
    """
    experts = [name for name, _ in settings.grid.experts(representation)]
    roles = {role(name) for name in experts or [representation]}
    return next(part for part in ("oracle", "latent", "baseline") if part in roles)


def has_several_methods(settings: Settings) -> bool:
    """Whether a run can choose among methods with a learnt latent, and among those without one."""
    grid = settings.grid
    named = (name for name in settings.representations() if classifiers_of(settings, name))
    roles = {role_of(settings, name) for name in named}
    return {"latent", "baseline"} <= roles and bool(grid.consensus or len(grid.classifiers) > 1)


def hidden_unit_pairs(settings: Settings) -> list[tuple[ModelName, ModelName]]:
    """Models with the fewest hidden units, each with those that differ in them alone."""
    groups: dict[ModelName, list[ModelName]] = {}
    for name in settings.models():
        groups.setdefault(replace(name, hidden_units=0), []).append(name)
    ordered = (sorted(group, key=lambda name: name.hidden_units) for group in groups.values())
    return [(few, many) for few, *more in ordered for many in more]


def always(_: Settings) -> bool:
    """Condition of tables and figures of every run."""
    return True


@dataclass(frozen=True)
class TableEntry:
    """Table of a run.

    Attributes
    ----------
    name
        Name of the files: ``results/{run}/tables/{name}.csv``.
    title
        Heading in Markdown, and first sentence of the caption in LaTeX.
    caption
        Caption in Snakemake's report, in plain text.
    needs
        Names of records, tables and other files from which the table is built.
    remarks
        Notes below the table that do not depend on its rows.
    category
        Category in Snakemake's report.
    is_wanted
        Function of settings: whether the run has the table.
    datasets
        Function of settings: data sets of the table.
    across
        Whether the table is of all data sets together, without a column ``dataset``.
    headings
        Headings that replace those of `latentcell.tables.headings`.
    not_in_latex
        Prefixes of columns that LaTeX omits.
    empty
        Note for a table without rows.
    """

    name: str
    title: str
    caption: str
    needs: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    category: Category = "Tables"
    is_wanted: Callable[[Settings], bool] = always
    datasets: Callable[[Settings], list[str]] = Settings.dataset_names
    across: bool = False
    headings: Mapping[str, Heading] = field(default_factory=dict)
    not_in_latex: tuple[str, ...] = ()
    empty: str = "Nothing of this kind was run."

    def needs_of(self, settings: Settings) -> tuple[str, ...]:
        """Names of records and files from which the table of a run is built."""
        deposited = has_deposit(settings)
        return tuple(name for name in self.needs if name != "table5_deposit" or deposited)

    def build(self, records: Records, settings: Settings) -> "pd.DataFrame":
        """Build and concatenate the tables of all data sets.

        Parameters
        ----------
        records : mapping of str to DataFrame
            Records by the names in `needs`, with a column ``dataset``.
        settings : Settings
            Settings of the run.

        Returns
        -------
        DataFrame
            The first column is ``dataset``, but for tables across data sets.
        """
        import pandas as pd

        from latentcell.tables.builders import BUILDERS

        if self.across:
            return BUILDERS[self.name](records, settings, "")
        parts = []
        for dataset in self.datasets(settings):
            own = {name: frame[frame["dataset"] == dataset] for name, frame in records.items()}
            table = BUILDERS[self.name](own, settings, dataset)
            table.insert(0, "dataset", pd.Series(dataset, index=table.index, dtype=object))
            parts.append(table)
        return _stacked([part for part in parts if len(part)] or parts[:1])

    def notes(self, table: "pd.DataFrame") -> list[str]:
        """Notes below the table, in Markdown."""
        from latentcell.tables.builders import NOTES

        explained = NOTES[self.name](table) if self.name in NOTES else []
        empty = [] if len(table) else [self.empty]
        return [*empty, *_few_replicates(table), *self.remarks, *explained]

    def shown(self, table: "pd.DataFrame") -> "pd.DataFrame":
        """Rows for Markdown, LaTeX and the page; the CSV file has all."""
        from latentcell.tables.builders import SHOWN

        return SHOWN[self.name](table) if self.name in SHOWN else table

    def columns(self, table: "pd.DataFrame") -> "list[Column]":
        """Formatted columns: rounded numbers, means joined with deviations or intervals."""
        from latentcell.tables.render import reading_columns

        return reading_columns(self.shown(table), {**HEADINGS, **self.headings})

    def markdown(self, table: "pd.DataFrame") -> str:
        """Format the table as a Markdown section."""
        from latentcell.tables.render import markdown_table

        return markdown_table(self.title, self.columns(table), self.notes(table))

    def html(self, table: "pd.DataFrame") -> str:
        """Format the table as a page, for Snakemake's report."""
        from latentcell.tables.render import html_table

        return html_table(self.title, self.columns(table), self.notes(table))

    def latex(self, table: "pd.DataFrame") -> str:
        """Format the table as a LaTeX environment."""
        from latentcell.tables.render import latex_table

        kept = [name for name in table if not str(name).startswith(self.not_in_latex or ("\0",))]
        columns = self.columns(table[kept])
        return latex_table(self.name, self.title, columns, self.notes(table))

    def write(self, table: "pd.DataFrame", paths: Sequence[str | Path]) -> None:
        """Write the table to each path, in the format of its suffix.

        Parameters
        ----------
        table : DataFrame
            Result of `build`.
        paths : sequence of str or Path
            Paths with the suffix ``.csv``, ``.md``, ``.tex`` or ``.html``.
        """
        from latentcell.runtime.io import write_csv, write_text

        writers = {".md": self.markdown, ".tex": self.latex, ".html": self.html}
        for path in map(Path, paths):
            if path.suffix == ".csv":
                write_csv(path, table)
            else:
                write_text(path, writers[path.suffix](table))


def _few_replicates(table: "pd.DataFrame") -> list[str]:
    """Note of a table with rows of too few replicates for intervals and probabilities."""
    from latentcell.evaluate.statistics import MIN_REPLICATES

    names = list(map(str, table))
    counts = [name for name in names if name == "replicates" or name.endswith("_replicates")]
    bounds = [name for name in names if name == "low" or name.endswith("_low")]
    few = (table[counts] < MIN_REPLICATES).any(axis=1)
    if not table.loc[few, bounds].isna().any(axis=None):
        return []
    return [
        f"Fewer than {MIN_REPLICATES} replicates have a mean, but neither intervals nor "
        "probabilities: their spread is not known well enough."
    ]


def _stacked(parts: list["pd.DataFrame"]) -> "pd.DataFrame":
    """Tables of data sets below one another.

    Neither a table without rows nor a column without values changes the type of a column.
    """
    import pandas as pd

    columns = list(dict.fromkeys(name for part in parts for name in part))
    filled = [part.dropna(axis=1, how="all") for part in parts]
    return pd.concat(filled, ignore_index=True).reindex(columns=columns)
