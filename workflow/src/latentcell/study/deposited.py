"""Deposited inputs of the study's classifier and the parts of their replicates.

Rules read the names at parse time, so this module does not import pandas or anndata.
"""

from dataclasses import dataclass

from latentcell.config.names import cells_name
from latentcell.config.settings import DepositedSettings
from latentcell.data.sources import Source
from latentcell.study.published import input_name

# Share of a subset that scVAE used for training and validation. It exported only the latents of the
# remaining cells, not those of the whole subset as the study states.
_SCVAE_FRACTION = 0.8
_FIRST_SUBSET = 1300
# Replicates of a part: few, so that a killed job loses little and all cores have work.
_REPLICATES_A_PART = 5


@dataclass(frozen=True)
class Deposited:
    """Input of the study's classifier: a row of Table 5.

    Attributes
    ----------
    kind
        Kind in Table 5: ``raw``, ``PCA`` or ``scVAE``.
    subset
        Number of cells in Table 5.
    cells
        Number of cells in the file.
    dim, hidden_units
        Dimensions of the scores or latents and hidden units of the model; None if not applicable.
    source
        File of the scores or latents; None for raw counts, which are a data set.
    """

    kind: str
    subset: int
    cells: int
    dim: int | None = None
    hidden_units: int | None = None
    source: Source | None = None

    @property
    def name(self) -> str:
        """Name of representation and subset, such as ``gmvae-z10-h250-n1300``."""
        return f"{input_name(self.dim, self.hidden_units)}-{cells_name(self.subset)}"


def _pca(dim: int, sha256: str) -> Deposited:
    # Their path in the authors' repository is unknown, so they have no URL.
    source = Source(
        name=f"subset{_FIRST_SUBSET}_pca{dim}.tsv.gz",
        sha256=sha256,
        folder="pbmc68k_study/pca_scores",
    )
    return Deposited("PCA", _FIRST_SUBSET, _FIRST_SUBSET, dim, source=source)


def _latents(subset: int, dim: int, hidden_units: int, sha256: str) -> Deposited:
    source = Source(
        name=f"subset{subset}_lv{dim}_H{hidden_units}.tsv.gz",
        sha256=sha256,
        folder="pbmc68k_study/scvae_latents",
    )
    cells = subset - int(_SCVAE_FRACTION * subset)
    return Deposited("scVAE", subset, cells, dim, hidden_units, source)


_INPUTS = (
    Deposited("raw", _FIRST_SUBSET, _FIRST_SUBSET),
    _pca(10, "1f92fa28e480ae6e1e4919a164351cbf1ea7cc99b78a529976a14a518a6f60d0"),
    _pca(25, "92fa0726cc8546a8ae1aff973bb529d15b4599468cee5e2c21872c89c0760524"),
    _pca(50, "42067e50db68df7094a45fc25210b40d90f641d538306045275dcbf139e83b10"),
    _pca(100, "3e0d4be264680105e6830ba174a5eca17e60793379088724b81279b7b9be9b68"),
    _latents(1300, 10, 250, "a39e7055f8c5768aac826ce1381ae0a43de33ab29a30e13816da6e267628dcdf"),
    _latents(1300, 25, 500, "eed413c511181f5427d47d5ab394d246de9c7c1690d42ad6dca93a196b2a0f4c"),
    _latents(1300, 50, 250, "197a51058e7c41a10f569c9d30c6eb0b4e33f5ef30f546a80c0651c388b25cbb"),
    _latents(1300, 100, 500, "84d1f10abe338809fa9019f01c25c66c2ab95d11bbe5ef64277e27a8ab126ad2"),
    _latents(15000, 10, 250, "88fbdbbba9fa1f15f50138b9c68849ae71089489fac73a40fa2796d459c25d97"),
    _latents(15000, 25, 500, "2f57e8db228a7dc4f18a4bad1f344f891a4dbb714a9bf778e62bcba8c176753a"),
    _latents(15000, 50, 250, "405630c1550b0fe99d457896d9e4ba30f0aa44eea424436530744d615788cfa1"),
    _latents(15000, 100, 500, "3a3526527abdd9db9afe2d51aca1188d629fbad4eab646448265c2d4a8fdaf20"),
)
# By name, in the order of Table 5.
DEPOSITED: dict[str, Deposited] = {one.name: one for one in _INPUTS}


def repeat_parts(settings: DepositedSettings) -> dict[str, list[list[int]]]:
    """Replicates of each input, numbered from 1, in parts that are stored together."""
    parts = {}
    for name, one in DEPOSITED.items():
        number = settings.raw_replicates if one.kind == "raw" else settings.replicates
        replicates = list(range(1, number + 1))
        starts = range(0, number, _REPLICATES_A_PART)
        parts[name] = [replicates[start : start + _REPLICATES_A_PART] for start in starts]
    return parts
