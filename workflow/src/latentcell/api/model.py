"""The GMVAE of an AnnData: `latentcell.GMVAE`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import anndata as ad
import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from latentcell.api.cells import (
    Texts,
    draw_split,
    is_number,
    limited_threads,
    read_batches,
    read_counts,
    read_settings,
    read_split,
    read_types,
    require_cells,
    whole_number,
)
from latentcell.config.names import ModelKind, ModelName
from latentcell.config.settings import VaeSettings
from latentcell.runtime.errors import InputError

if TYPE_CHECKING:
    from latentcell.models.evaluation import Evaluation
    from latentcell.models.trained import Trained

# Keys of section `vae` that act in the workflow alone.
_UNUSED = {"samples"}


class GMVAE:
    r"""Gaussian-mixture variational autoencoder of single-cell counts.

    The model, its training and its numbers are those of the workflow: the same cells, split,
    settings and seed give the same latents. See Grønbech et al. (2020), "scVAE: variational
    auto-encoders for single-cell gene expression data", Bioinformatics 36, 4415-4422.

    Parameters
    ----------
    adata : AnnData
        Cells x genes with raw counts, also a view or backed. It is not changed, and the counts are
        copied.
    layer : str, optional
        Layer of the counts; by default ``adata.X``.
    labels_key : str, optional
        Column of ``obs`` with the cell types. Their number is the number of components K. A GMVAE
        sees the types themselves only with ``labelled_share`` or ``cluster_prior="inferred"``.
    batch_key : str, optional
        Column of ``obs`` with the batches, which become an input of the decoder.
    split : str or array of str, optional
        Part of each cell, ``"training"``, ``"validation"`` or ``"test"``, or the column of ``obs``
        with the parts. Training stops, and its best epoch is chosen, by validation cells; test
        cells are not used. By default validation cells are drawn, and the others are for training.
    validation_share : float, default 0.1
        Share of validation cells that are drawn without `split`.
    latent_dim : int, default 10
        Latent dimensions Z.
    hidden_units : int, default 100
        Units per hidden layer H.
    kind : {"gmvae", "vae", "semi-gmvae", "semi-vae", "dca"}, optional
        Kind of model, as in `grid.models` of the configuration: ``"dca"`` is a denoising
        autoencoder (Eraslan et al. 2019). By default ``"gmvae"``, with ``labelled_share``
        ``"semi-gmvae"``.
    **settings
        Keys of section ``vae`` of the configuration, such as ``components``, ``epochs``,
        ``likelihood``, ``device`` and ``seed``. The preset is ``"recommended"`` unless ``preset``
        is given.

    Attributes
    ----------
    settings : VaeSettings
        All settings with their defaults.
    split : ndarray of str, shape (n,), or None
        Part of each cell; None for a loaded model.

    Raises
    ------
    InputError
        If values are not counts, a column or setting is unknown, or the number of components is
        not given.

    Examples
    --------
    >>> cells = latentcell.datasets.pbmc68k_sample()
    >>> model = latentcell.GMVAE(cells, labels_key="cell_type", epochs=20).train()
    >>> cells.obsm["X_gmvae"] = model.get_latent_representation()
    """

    settings: VaeSettings
    split: Texts | None
    _name: ModelName
    _genes: list[str] | None
    _keys: dict[str, str | None]
    _cells: ad.AnnData | None = None
    _trained: "Trained | None" = None
    _evaluated: "Evaluation | None" = None

    def __init__(
        self,
        adata: ad.AnnData,
        *,
        layer: str | None = None,
        labels_key: str | None = None,
        batch_key: str | None = None,
        split: str | ArrayLike | None = None,
        validation_share: float = 0.1,
        latent_dim: int = 10,
        hidden_units: int = 100,
        kind: ModelKind | None = None,
        **settings: Any,
    ) -> None:
        require_cells("adata", adata)
        self.settings = _settings(settings, batch_key)
        sizes = (
            whole_number("latent_dim", latent_dim),
            whole_number("hidden_units", hidden_units),
        )
        self._name = ModelName(_kind(kind, self.settings), *sizes)
        _check_keys(self._name, self.settings, labels_key, batch_key)
        self._keys = {"layer": layer, "batch_key": batch_key}
        self._genes = adata.var_names.astype(str).tolist()
        self._cells = self._read(adata)
        if labels_key is not None:
            self._cells.obs["cell_type"] = read_types(adata, labels_key)
        if split is None:
            self.split = draw_split(adata.n_obs, validation_share, self.settings.seed)
        else:
            self.split = read_split(adata, split)
        self._cells.obs["split"] = self.split

    def __repr__(self) -> str:
        cells = "no cells" if self._cells is None else f"{self._cells.n_obs:,} cells"
        state = "not trained"
        if self._trained is not None:
            epochs = f"{self._trained.epochs_trained} epochs, best {self._trained.best_epoch}"
            state = f"trained for {epochs}, K = {self._trained.model.shape.components}"
        sizes = f"Z = {self._name.latent_dim}, H = {self._name.hidden_units}"
        return f"{self._name.title}: {sizes}, {cells}, {state}"

    def train(self, *, threads: int = 1) -> "GMVAE":
        """Train from the initial weights.

        Parameters
        ----------
        threads : int, default 1
            Threads of the training, on which the results do not depend.

        Returns
        -------
        GMVAE
            This model.

        Raises
        ------
        InputError
            If the model was loaded without its training cells, `threads` is no number of threads,
            or the bound ceases to be finite.
        """
        from latentcell.grid.model_files import train_model

        if self._cells is None or self.split is None:
            raise InputError(
                "train: expected a model of cells, found one of a file: make a new one"
            )
        with limited_threads(whole_number("threads", threads)):
            cells, seed = self._cells, self.settings.seed
            self._trained = train_model(cells, self._name, self.settings, seed)
        self._evaluated = None
        return self

    @property
    def trained(self) -> "Trained":
        """The trained model, `latentcell.models.trained.Trained`."""
        if self._trained is None:
            raise InputError("GMVAE: expected a trained model: call train() first")
        return self._trained

    @property
    def history(self) -> pd.DataFrame:
        """Bound of validation cells after each epoch, and of training cells after some.

        In nats per cell; see `training_elbo_every` of section ``vae``.

        Columns ``epoch``, ``split``, ``elbo``, ``enre`` (expected log-likelihood), ``kl_z``,
        ``kl_y`` and ``components_used``.
        """
        return pd.DataFrame(self.trained.history)

    @property
    def cluster_names(self) -> list[str]:
        """Names of the components: the types with ``labelled_share``, else ``"0"`` to K - 1."""
        components = self.trained.model.shape.components
        return list(self.trained.types) or list(map(str, range(components)))

    def get_latent_representation(self, adata: ad.AnnData | None = None) -> NDArray[np.float32]:
        """Compute the latents: sum over y of q(y given x) times the mean of q(z given x, y).

        Parameters
        ----------
        adata : AnnData, optional
            Other cells with the same genes, in any order; by default those of the model.

        Returns
        -------
        ndarray of float32, shape (n, Z)
        """
        return np.asarray(self._evaluate(adata).latent)

    def get_cluster_probabilities(self, adata: ad.AnnData | None = None) -> pd.DataFrame:
        """Compute q(y given x).

        Parameters
        ----------
        adata : AnnData, optional
            Other cells; see `get_latent_representation`.

        Returns
        -------
        DataFrame of float32, shape (n, K)
            Cells x components.
        """
        q_y = self._evaluate(adata).q_y
        names = self._cells_of(None).obs_names if adata is None else adata.obs_names
        return pd.DataFrame(q_y, index=names, columns=self.cluster_names)

    def get_clusters(self, adata: ad.AnnData | None = None) -> "pd.Categorical[str]":
        """Find the likeliest component of each cell.

        Parameters
        ----------
        adata : AnnData, optional
            Other cells; see `get_latent_representation`.

        Returns
        -------
        Categorical
            With all components as categories.
        """
        codes, names = self._evaluate(adata).clusters, pd.Index(self.cluster_names)
        return pd.Categorical.from_codes(codes, names)

    def get_elbo(
        self, adata: ad.AnnData | None = None, *, return_mean: bool = True
    ) -> float | NDArray[np.float64]:
        """Compute the evidence lower bound (ELBO) from one sample of each component.

        With size factors (preset ``"recommended"``), it is the bound of the counts given their sum
        in each cell, and not comparable with others.

        Parameters
        ----------
        adata : AnnData, optional
            Other cells; see `get_latent_representation`.
        return_mean : bool, default True
            Whether to return the mean over cells.

        Returns
        -------
        float, or ndarray of float64, shape (n,)
            Nats per cell.
        """
        elbo = self._evaluate(adata).elbo
        return float(elbo.mean()) if return_mean else np.asarray(elbo)

    def get_normalized_expression(
        self,
        adata: ad.AnnData | None = None,
        *,
        gene_list: list[str] | None = None,
        library_size: float = 1.0,
    ) -> pd.DataFrame:
        """Compute the expected share of each modelled gene in the counts of a cell.

        The expectation is over y by q(y given x), at the mean of q(z given x, y); of a ``dca`` it
        is the denoised count, without the added zeros of a zero-inflated likelihood. Rows of all
        modelled genes sum to `library_size`. The other genes, such as rare ones and those that are
        not among the most variable (``variable_genes``), have no expectation of their own.

        Parameters
        ----------
        adata : AnnData, optional
            Other cells; see `get_latent_representation`.
        gene_list : list of str, optional
            Names of the genes to return; by default all modelled genes.
        library_size : float, default 1
            Sum of a cell, such as 1e4.

        Returns
        -------
        DataFrame of float32
            Cells x genes.

        Raises
        ------
        InputError
            If a gene of `gene_list` is not modelled, or `library_size` is not above 0.
        """
        from latentcell.grid.model_files import batches
        from latentcell.models.expected import expected_shares

        if gene_list is not None and np.ndim(gene_list) != 1:
            raise InputError(f"gene_list: expected a list of names, found {gene_list!r}")
        if not (is_number(library_size) and 0 < library_size < np.inf):
            raise InputError(f"library_size: expected a number above 0, found {library_size!r}")
        cells = self._cells_of(adata)
        modelled = cells.var_names[self.trained.inputs.genes.modelled]
        wanted = modelled if gene_list is None else pd.Index(gene_list)
        places = modelled.get_indexer(wanted)
        if (places < 0).any():
            raise InputError(
                f"gene_list: expected modelled genes, found {wanted[int(np.argmin(places))]!r}: "
                "model more genes by variable_genes= and rare_below="
            )
        with limited_threads(1):
            shares = expected_shares(self.trained, cells.X, batches(cells))[:, places]
        return pd.DataFrame(shares * library_size, index=cells.obs_names, columns=wanted)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write weights, settings, names of the genes and history as a safetensors file.

        Parameters
        ----------
        path : path
            File.
        overwrite : bool, default False
            Whether to replace an existing file.

        Raises
        ------
        InputError
            If the file exists, or the model is not trained.
        """
        from latentcell.models.checkpoint import save
        from latentcell.models.trained import save_arguments

        tensors, description = save_arguments(self.trained)
        if Path(path).exists() and not overwrite:
            raise InputError(f"{path}: expected no such file: choose another or overwrite=True")
        own = {"genes": self._genes, "keys": self._keys, "history": self.trained.history}
        save(path, tensors, description | own)

    @classmethod
    def load(cls, path: str | Path, adata: ad.AnnData | None = None) -> "GMVAE":
        """Read a model from a file of `save`, or ``model.safetensors`` of a run.

        Genes are matched by name. The file of a run has no names: the cells need the genes of the
        run's ``cells.h5ad`` in the same order, of which the number alone is checked.

        Parameters
        ----------
        path : path
            File.
        adata : AnnData, optional
            Cells of which methods give results by default. `layer` and `batch_key` are those of
            the saved model.

        Returns
        -------
        GMVAE
            The trained model.

        Raises
        ------
        InputError
            If it is another kind of file, or the cells lack genes of the model or, with the file of
            a run, have another number of genes.
        """
        from latentcell.models.checkpoint import load
        from latentcell.models.trained import restore

        tensors, description = load(path)
        if not {"architecture", "inputs"} <= set(description):
            raise InputError(
                f"{path}: expected one generative model, found another kind of file, or several "
                "models of different seeds"
            )
        model = cls.__new__(cls)
        trained = restore(tensors, description)
        trained.history = description.get("history", [])
        shape = trained.model.shape
        kind: ModelKind = shape.kind
        if trained.types:
            kind = "semi-gmvae" if shape.kind == "gmvae" else "semi-vae"
        model._trained, model.settings = trained, trained.settings
        model._name = ModelName(kind, shape.latent_dim, shape.hidden_units)
        model._genes = description.get("genes")
        model._keys = description.get("keys", {"layer": None, "batch_key": None})
        if trained.inputs.batches and model._keys["batch_key"] is None:
            model._keys["batch_key"] = "batch"  # Its name in files of a run.
        model.split = None
        model._cells = None if adata is None else model._read(adata)
        return model

    def _read(self, adata: ad.AnnData) -> ad.AnnData:
        """Counts and batches of cells, with the genes in the order of the model."""
        require_cells("adata", adata)
        if not adata.var_names.is_unique:
            twice = adata.var_names[adata.var_names.duplicated()][0]
            raise InputError(
                f"adata: expected a name of its own for each gene, found {twice!r} again: call "
                "adata.var_names_make_unique()"
            )
        counts = read_counts(adata, self._keys["layer"])
        cells = ad.AnnData(counts, obs=pd.DataFrame(index=adata.obs_names.astype(str)))
        cells.var_names = adata.var_names.astype(str)
        if (key := self._keys["batch_key"]) is not None:
            cells.obs["batch"] = read_batches(adata, key)
        return self._arranged(cells)

    def _arranged(self, cells: ad.AnnData) -> ad.AnnData:
        if self._genes is None:  # A file of a run has no names.
            expected, found = len(self.trained.inputs.genes.modelled), cells.n_vars
            if expected != found:
                raise InputError(f"adata: expected the model's {expected:,} genes, found {found:,}")
        if self._genes is None or cells.var_names.tolist() == self._genes:
            return cells
        places = cells.var_names.get_indexer(self._genes)
        missing = np.flatnonzero(places < 0)
        if len(missing):
            raise InputError(
                f"adata: expected all {len(self._genes):,} genes of the model, found "
                f"{len(missing):,} missing, the first being {self._genes[missing[0]]}"
            )
        return cells[:, places].copy()

    def _cells_of(self, adata: ad.AnnData | None) -> ad.AnnData:
        if adata is not None:
            return self._read(adata)
        if self._cells is None:
            raise InputError("adata: expected cells, since the model was loaded without any")
        return self._cells

    def _evaluate(self, adata: ad.AnnData | None) -> "Evaluation":
        """Bound and latents, kept for the cells of the model."""
        if adata is None and self._evaluated is not None:
            return self._evaluated
        from latentcell.grid.model_files import batches

        trained, cells = self.trained, self._cells_of(adata)
        with limited_threads(1):
            evaluation = trained.evaluate(sp.csr_matrix(cells.X), batches(cells))
        if adata is None:
            self._evaluated = evaluation
        return evaluation


def _settings(values: dict[str, Any], batch_key: str | None) -> VaeSettings:
    start: dict[str, Any] = {"preset": "recommended"}
    if batch_key is not None:
        start["batch_correction"] = True
    return read_settings(VaeSettings, start | values, "GMVAE", _UNUSED)


def _kind(kind: ModelKind | None, settings: VaeSettings) -> ModelKind:
    """Kind of a model: the given one, or by the labels that it sees."""
    guided: ModelKind = "semi-gmvae" if settings.labelled_share else "gmvae"
    if kind is None:
        return guided
    if kind not in get_args(ModelKind):
        raise InputError(f"kind: expected one of {', '.join(get_args(ModelKind))}, found {kind!r}")
    if kind.startswith("semi-") and not settings.labelled_share:
        raise InputError(f"kind: {kind} expected labelled_share= above 0, found 0")
    return guided if kind == "gmvae" else kind


def _check_keys(
    name: ModelName, settings: VaeSettings, labels_key: str | None, batch_key: str | None
) -> None:
    if name.sees_types and labels_key is None:
        raise InputError(f"GMVAE: expected labels_key= for a {name.kind}, found none")
    if name.is_mixture and settings.components == "labels" and labels_key is None:
        raise InputError(
            "GMVAE: expected the number of components, components=, or a column of types whose "
            "number it is, labels_key=; found neither"
        )
    if settings.batch_correction and batch_key is None:
        raise InputError("GMVAE: expected batch_key= with batch_correction, found none")
