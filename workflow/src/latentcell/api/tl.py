"""Tools that add their results to an AnnData: `latentcell.tl`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import anndata as ad
    from numpy.typing import ArrayLike

    from latentcell.annotate import Annotator
    from latentcell.api.model import GMVAE

# Keys of section `annotate` that act in the workflow alone.
_UNUSED = {"query", "query_layer"}


def gmvae(
    adata: "ad.AnnData",
    *,
    layer: str | None = None,
    labels_key: str | None = None,
    batch_key: str | None = None,
    split: "str | ArrayLike | None" = None,
    validation_share: float = 0.1,
    latent_dim: int = 10,
    hidden_units: int = 100,
    key_added: str = "gmvae",
    threads: int = 1,
    copy: bool = False,
    **settings: Any,
) -> "ad.AnnData | None":
    """Train a GMVAE, and add its latents and clusters to the cells.

    Parameters
    ----------
    adata : AnnData
        Cells x genes with raw counts.
    layer, labels_key, batch_key, split, validation_share, latent_dim, hidden_units
        See `latentcell.GMVAE`.
    key_added : str, default "gmvae"
        Name of the results.
    threads : int, default 1
        See `latentcell.GMVAE.train`.
    copy : bool, default False
        Whether to add the results to a copy, which is returned.
    **settings
        Keys of section ``vae`` of the configuration, such as ``components`` and ``seed``.

    Returns
    -------
    AnnData or None
        The cells with

        - ``obsm["X_gmvae"]``: latents, float32 (n x Z),
        - ``obs["gmvae_cluster"]``: likeliest component, categorical,
        - ``uns["gmvae"]``: ``settings`` (without those that are None), ``latent_dim``,
          ``hidden_units``, ``components``, ``best_epoch``, ``epochs_trained``, ``elbo`` (mean over
          the cells of each part, nats) and ``given_count_sum`` (whether it is the bound of the
          counts given their sum in each cell).

    Raises
    ------
    InputError
        If the cells or settings cannot be used; see `latentcell.GMVAE`.

    Examples
    --------
    >>> cells = latentcell.datasets.pbmc68k_sample()
    >>> latentcell.tl.gmvae(cells, labels_key="cell_type", epochs=20)
    >>> scanpy.pp.neighbors(cells, use_rep="X_gmvae")
    """
    from latentcell.api.cells import require_cells
    from latentcell.api.model import GMVAE

    require_cells("adata", adata)
    adata = adata.copy() if copy else adata
    model = GMVAE(
        adata,
        layer=layer,
        labels_key=labels_key,
        batch_key=batch_key,
        split=split,
        validation_share=validation_share,
        latent_dim=latent_dim,
        hidden_units=hidden_units,
        **settings,
    ).train(threads=threads)
    adata.obsm[f"X_{key_added}"] = model.get_latent_representation()
    adata.obs[f"{key_added}_cluster"] = model.get_clusters()
    adata.uns[key_added] = _describe(model)
    return adata if copy else None


def _describe(model: "GMVAE") -> dict[str, Any]:
    """Settings and bound; None is left out, as older versions of anndata cannot write it."""
    import numpy as np

    from latentcell.evaluate.latents import given_count_sum

    trained, split = model.trained, np.asarray(model.split)
    elbo = np.asarray(model.get_elbo(return_mean=False))
    shape, settings = trained.model.shape, trained.settings.model_dump(exclude_none=True)
    return {
        "settings": settings,
        "latent_dim": shape.latent_dim,
        "hidden_units": shape.hidden_units,
        "components": shape.components,
        "best_epoch": trained.best_epoch,
        "epochs_trained": trained.epochs_trained,
        "elbo": {str(part): float(elbo[split == part].mean()) for part in np.unique(split)},
        "given_count_sum": given_count_sum(trained),
    }


def annotate(
    query: "ad.AnnData",
    *,
    reference: "ad.AnnData | Annotator | str | Path",
    label_key: str | None = None,
    layer: str | None = None,
    reference_layer: str | None = None,
    threads: int = 1,
    copy: bool = False,
    **settings: Any,
) -> "ad.AnnData | None":
    """Annotate cells with the types of a labelled reference, as ``latentcell annotate`` does.

    Parameters
    ----------
    query : AnnData
        Cells x genes with raw counts.
    reference : AnnData, Annotator or path
        Cells x genes with raw counts and types; or a trained annotator, or the folder in which
        ``latentcell train`` saved one. As with the command, the first complete column of batches
        shows how types hold in another batch, and ``obs["cell_type_ontology_term_id"]`` gives the
        Cell Ontology ids of the types.
    label_key : str, optional
        Column of ``obs`` of the reference with the types. Cells without a type are left out.
    layer, reference_layer : str, optional
        Layer of the counts of the query and of the reference; by default ``X``.
    threads : int, default 1
        Number of pieces of the query that are processed at a time; does not change the results.
    copy : bool, default False
        Whether to add the results to a copy, which is returned.
    **settings
        Keys of section ``annotate`` of the configuration, such as ``seed``, or ``density=False``,
        which leaves out the GMVAE that flags cells of unknown types.

    Returns
    -------
    AnnData or None
        The cells with

        - ``obs["cell_type"]``: type, or ``"unassigned"``, and ``obs["cell_type_probability"]``,
        - ``obs["cell_type_first"]``, ``obs["cell_type_second"]`` and
          ``obs["cell_type_second_probability"]``: the two likeliest types,
        - ``obs["cell_type_consensus"]``: the commonest likeliest type in the cell's cluster of
          neighbours, ``obs["cell_type_cluster"]``, and ``obs["cell_type_consensus_share"]``,
        - ``obs["cell_type_ontology_term_id"]``, if the reference has ids,
        - ``obs["novel"]`` and ``obs["novelty_score"]`` (nats), with the GMVAE,
        - ``obsm["X_cell_type_probabilities"]``, ``obsm["X_hvg_pca"]`` and, with the GMVAE,
          ``obsm["X_gmvae"]``,
        - ``uns["latentcell"]``: the types, the reference and the threshold.

        Earlier columns of these names are kept with the suffix ``_before``.

    Raises
    ------
    InputError
        If values are not counts, the reference has too few cells or no types, the query lacks
        its genes, or an argument is of another kind.

    Examples
    --------
    >>> latentcell.tl.annotate(query, reference=cells, label_key="cell_type", density=False)
    """
    from latentcell.annotate import annotate_cells
    from latentcell.annotate.files import complete, fill
    from latentcell.api.cells import (
        limited_threads,
        read_counts,
        read_genes,
        require_cells,
        whole_number,
    )

    require_cells("query", query)
    threads = whole_number("threads", threads)
    query = query.copy() if copy else query
    counts, genes = read_counts(query, layer, empty_cells=True), read_genes(query, "query")
    with limited_threads(1):
        annotator = _annotator(reference, label_key, reference_layer, settings)
        annotation = annotate_cells(annotator, counts, genes, threads=threads)
        annotation = complete(annotation, annotator)
    fill(query, annotation, annotator)
    return query if copy else None


def _annotator(
    reference: "ad.AnnData | Annotator | str | Path",
    label_key: str | None,
    layer: str | None,
    settings: dict[str, Any],
) -> "Annotator":
    """Train an annotator on cells, or take a trained one."""
    import anndata as ad

    from latentcell.annotate import Annotator, learn, load_bundle
    from latentcell.api.cells import read_settings
    from latentcell.config.settings import AnnotateSettings
    from latentcell.runtime.errors import InputError

    if isinstance(reference, ad.AnnData):
        checked = read_settings(AnnotateSettings, settings, "annotate", _UNUSED)
        return learn(_labelled(reference, label_key, layer), checked)
    if not isinstance(reference, Annotator | str | Path):
        raise InputError(
            "reference: expected an AnnData, an annotator or the folder of one, found "
            f"{type(reference).__name__}"
        )
    given = [
        *settings,
        *(["label_key"] if label_key else []),
        *(["reference_layer"] if layer else []),
    ]
    if given:
        raise InputError(f"annotate: {given[0]} is for a reference that is an AnnData")
    return load_bundle(reference) if isinstance(reference, str | Path) else reference


def _labelled(reference: "ad.AnnData", label_key: str | None, layer: str | None) -> "ad.AnnData":
    """Labelled cells of a reference, as `latentcell.annotate.files.read_reference` gives them."""
    import anndata as ad
    import pandas as pd

    from latentcell.annotate.files import batches_of, ontology_of
    from latentcell.api.cells import read_column, read_counts, read_genes
    from latentcell.data.checks import check_labels
    from latentcell.data.importing import leave_out_unlabelled, simulation_note
    from latentcell.runtime.errors import InputError

    if label_key is None:
        raise InputError("annotate: expected label_key=, the column of the types of the reference")
    if reference.isbacked:
        reference = reference.to_memory()
    labels = read_column(reference, "label_key", label_key)
    cells, labels = leave_out_unlabelled(reference, labels, "reference")
    types = check_labels(labels, cells.obs_names, "reference")
    uns: dict[str, Any] = {"dataset": str(reference.uns.get("dataset", "reference"))}
    uns["ontology"] = ontology_of(reference.obs, label_key)
    if (note := simulation_note(cells.obs_names)) is not None:
        uns["simulated"] = note
    obs = pd.DataFrame({"cell_type": types}, index=cells.obs_names)
    if (batches := batches_of(reference.obs, label_key)) is not None:
        obs["batch"] = cells.obs[batches].astype(str)
    return ad.AnnData(read_counts(cells, layer), obs, read_genes(cells, "reference"), uns=uns)
