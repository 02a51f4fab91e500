"""Which cells of a representation are classified, and how they are split."""

import hashlib

import anndata as ad

from latentcell.data.split import keep_training, split_cells
from latentcell.settings import LatentsSettings, SplitSettings


def classified_cells(
    features: ad.AnnData,
    input: str,
    *,
    latent: bool,
    latents: LatentsSettings,
    split: SplitSettings,
    own_split: bool,
    seed: int,
) -> ad.AnnData:
    """Take the cells that the classifier sees, with its split in ``obs["split"]``.

    Parameters
    ----------
    features : AnnData
        A representation (n x d) with ``obs["cell_type"]``, and ``obs["split"]`` as it was learnt.
    input : str
        Its name, such as ``pca-k50``.
    latent : bool
        Whether a generative model made it.
    latents : LatentsSettings
        Whether only the test cells of that model are classified.
    split : SplitSettings
        How cells are split where the split is drawn anew.
    own_split : bool
        Whether every input has a split of its own.
    seed : int
        The replicate's seed of the split.

    Returns
    -------
    AnnData
        The same object where nothing is to be changed.
    """
    partial = latent and latents.classified == "test"
    if not (partial or own_split or (latent and latents.split != "shared")):
        return features
    if partial:
        features = features[(features.obs["split"] == "test").to_numpy()]
    features = features.copy()
    seed = _own_seed(seed, input) if own_split else seed
    features.obs["split"] = split_cells(features.obs["cell_type"], split, seed)
    kept = keep_training(features.obs["split"], split.training_cells, seed)
    return features if kept.all() else features[kept].copy()


def _own_seed(seed: int, input: str) -> int:
    """A seed for each input, so that no two have the same split."""
    digest = hashlib.sha256(f"{seed} {input}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
