"""Data sets: `latentcell.datasets`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import anndata as ad


def pbmc68k_sample() -> "ad.AnnData":
    """Read 700 cells of the 10x PBMC 68k data set, which come with scanpy.

    Zheng et al. (2017), "Massively parallel digital transcriptional profiling of single cells",
    Nature Communications 8, 14049. The counts are recovered from the normalised values of
    `scanpy.datasets.pbmc68k_reduced`. Nothing is downloaded.

    Returns
    -------
    AnnData
        700 cells x 765 genes: counts (CSR, int32) with ``obs["cell_type"]`` (10 types) and
        ``var["symbol"]``.

    Examples
    --------
    >>> cells = latentcell.datasets.pbmc68k_sample()
    """
    from latentcell.config.settings import DatasetSettings
    from latentcell.data.importing import import_dataset

    return import_dataset(DatasetSettings(name="pbmc68k-sample"))
