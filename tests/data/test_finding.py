"""Inspection of files of cells, and configurations proposed for them."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from latentcell.config.recommending import recommend_model
from latentcell.config.settings import DatasetSettings, parse_settings
from latentcell.data import finding
from latentcell.data.finding import counts_layer, find, label_column
from latentcell.data.importing import import_dataset
from latentcell.data.proposing import Choice, choose, problems, propose, recommended, small_types
from latentcell.runtime.errors import InputError

COUNTS = np.random.default_rng(0).poisson(1.5, (60, 20)).astype(np.float32) + 1
SYMBOLS, IDENTIFIERS = list("abcdefghijklmnopqrst"), [f"ENSG{i:011d}" for i in range(20)]
LOGS = np.log1p(COUNTS / COUNTS.sum(1, keepdims=True) * 1e4)


def file(tmp_path, X=COUNTS, *, obs=None, layers=None, raw=None, var=None, name="cells.h5ad"):
    cells = len(COUNTS)
    table = {"cell_type": ["B", "T", "T"] * (cells // 3)} if obs is None else obs
    adata = ad.AnnData(X, obs=pd.DataFrame(table, index=[f"c{i}" for i in range(cells)]), var=var)
    adata.layers.update(layers or {})
    if raw is not None:
        adata.raw = raw
    adata.write_h5ad(tmp_path / name)
    return tmp_path / name


def proposed(found, labels=None, budget=None):
    choice = choose(found, labels)
    return parse_settings(propose(found, choice, recommended(choice, budget)))


@pytest.mark.parametrize("form", [np.asarray, sparse.csr_matrix, sparse.csc_matrix])
@pytest.mark.parametrize("piece", [7, 2**22])
def test_matrices_are_described_in_pieces(tmp_path, monkeypatch, form, piece):
    monkeypatch.setattr(finding, "_PIECE", piece)
    values = COUNTS - 1
    values[5] = 0
    layers = {"scaled": form(LOGS - 6), "broken": form(np.where(LOGS > 6, np.nan, LOGS))}
    path = file(tmp_path, form(LOGS.astype(np.float32)), layers=layers | {"counts": form(values)})
    found = {matrix.place: matrix for matrix in find(path).matrices}
    counts = found["counts"]
    assert counts.is_counts
    assert counts.layer == "counts"
    assert (counts.cells, counts.genes) == (60, 20)
    assert counts.stored == np.count_nonzero(values)
    assert (counts.smallest, counts.largest) == (0, values.max())
    assert counts.empty_cells == 1
    assert found["X"].layer is None
    assert found["X"].describe().startswith("log-transformed")
    assert found["scaled"].describe().startswith("scaled")
    assert "NaN" in found["broken"].describe()
    assert find(path).counts == counts


def test_counts_are_taken_where_there_are_most_genes(tmp_path):
    adata = ad.AnnData(COUNTS, obs=pd.DataFrame(index=[f"c{i}" for i in range(60)]))
    few = adata[:, :8].copy()
    few.raw = adata
    few.write_h5ad(tmp_path / "raw.h5ad")
    assert counts_layer(tmp_path / "raw.h5ad", None) == "raw"
    assert counts_layer(file(tmp_path, layers={"more": COUNTS}), None) is None
    assert counts_layer(tmp_path / "raw.h5ad", "X") is None
    assert counts_layer(tmp_path / "raw.h5ad", "other") == "other"


def test_without_counts_it_is_said_what_there_is(tmp_path):
    with pytest.raises(InputError, match=r"X: log-transformed values .*store the counts as"):
        counts_layer(file(tmp_path, LOGS), None)


def test_labels_and_batches_are_told_apart(tmp_path):
    rng = np.random.default_rng(1)
    obs = {
        "leiden": rng.integers(5, size=60).astype(str),
        "n_genes": rng.normal(size=60),
        "donor_id": rng.choice(["p1", "p2"], 60),
        "orig.ident": rng.choice(["s1", "s2", "s3"], 60),
        "CellType": rng.choice(["B", "T"], 60),
        "sex": rng.choice(["f", "m"], 60),
        "barcode": [f"x{i}" for i in range(60)],
        "nothing": ["one"] * 60,
        "cluster_number": rng.integers(4, size=60),
        "total": rng.integers(1000, size=60),
    }
    found = find(file(tmp_path, obs=obs))
    assert [column.name for column in found.labels] == [
        "CellType", "leiden", "cluster_number", "sex",
    ]  # fmt: skip
    assert [column.name for column in found.batches] == ["donor_id", "orig.ident"]
    assert label_column(found.obs, None, "f") == "CellType"
    assert label_column(found.obs, "leiden", "f") == "leiden"
    with pytest.raises(InputError, match=r"'kind'.*--labels.*leiden, n_genes"):
        label_column(found.obs, "kind", "f")
    with pytest.raises(InputError, match="expected a column of cell types, found the columns: sex"):
        label_column(found.obs[["sex"]], None, "f")


def test_cells_without_a_type_are_counted_and_left_out_of_a_run(tmp_path):
    types = ["B", "T", None, "", "nan"] * 12
    found = find(file(tmp_path, obs={"cell_type": types}))
    assert found.labels[0].missing == 36
    assert found.labels[0].sizes.to_dict() == {"B": 12, "T": 12}
    settings = proposed(found)
    (dataset,) = settings.datasets
    assert dataset.unlabelled == "leave-out"
    with pytest.warns(UserWarning, match="36 cells without a type are left out"):
        assert import_dataset(dataset).n_obs == 24
    with pytest.raises(InputError, match="unlabelled: leave-out"):
        import_dataset(dataset.model_copy(update={"unlabelled": "refuse"}))


@pytest.mark.parametrize(
    "var",
    [
        pd.DataFrame({"gene_ids": IDENTIFIERS}, index=SYMBOLS),
        pd.DataFrame({"feature_name": SYMBOLS}, index=IDENTIFIERS),
    ],
    ids=["scanpy", "cellxgene"],
)
def test_genes_have_identifiers_and_symbols_by_either_custom(tmp_path, var):
    path = file(tmp_path, var=var)
    for genes in (find(path).genes, import_dataset(DatasetSettings(name="o", path=str(path))).var):
        assert genes.index[3] == "ENSG00000000003"
        assert genes["symbol"].iloc[3] == "d"


def test_what_stands_against_a_run_is_said_with_what_to_do(tmp_path):
    values = COUNTS.copy()
    values[3] = 0
    path = file(tmp_path, values, obs={"sex": ["f"] * 60})
    found = find(path)
    found.obs.index = ["c0", *found.obs.index[:-1]]
    said = problems(found, choose(found, None))
    assert len(said) == 3
    assert "1 cells have no counts" in said[0]
    assert "filter_cells" in said[0]
    assert "--labels" in said[1]
    assert "such as c0" in said[2]


def test_small_types_are_named(tmp_path):
    types = ["a"] * 40 + ["b"] * 15 + ["c"] * 4 + ["d"]
    found = find(file(tmp_path, obs={"cell_type": types}))
    assert small_types(found.labels[0]) == [
        "fewer than 3 cells, so not in all of training, validation and test: d (1)",
        "fewer than 10 cells, so their results are unreliable: c (4)",
    ]


def test_the_proposal_is_a_valid_configuration_that_imports(tmp_path):
    obs = {"kind": ["B", "T", "T"] * 20, "donor": ["p", "q"] * 30}
    path = file(tmp_path, LOGS, layers={"umi": COUNTS}, obs=obs, name="pbmc68k.h5ad")
    found = find(path)
    settings = proposed(found, "kind")
    assert settings.run == "pbmc68k-own"
    (dataset,) = settings.datasets
    assert (dataset.name, dataset.layer) == ("pbmc68k-own", "umi")
    assert settings.pca_components() == [10]  # of 20 genes
    assert settings.representations() == ["raw", "pca-k10", "hvg-pca-k10", "gmvae-z25-h100"]
    assert settings.grid.classifiers == ["ffnn", "majority", "naive-bayes", "logistic"]
    adata = import_dataset(dataset)
    assert adata.obs["batch"].nunique() == 2
    assert (adata.X.toarray() == COUNTS).all()


@pytest.mark.parametrize("name", ["tables", "report.html"])
def test_the_name_of_a_file_is_no_folder_of_a_run(tmp_path, name):
    found = find(file(tmp_path, obs={"cell_type": ["B", "T"] * 30}, name=f"{name}.h5ad"))
    settings = proposed(found)
    assert settings.dataset_names() == [f"{name}-own"]


def test_large_data_and_many_types_are_cut_down():
    matrix = finding.Matrix("X", 90_000, 20_000, 10**8, 0, 100, True, True, 0)
    sizes = pd.Series({f"t{i}": 450 for i in range(200)})
    labels = finding.Column("cell_type", sizes, 0)
    obs = pd.DataFrame(index=range(90_000))
    found = finding.Found(
        path=finding.Path("large.h5ad"), format="h5ad", matrices=[matrix],
        genes=pd.DataFrame({"symbol": []}), obs=obs, labels=[labels],
    )  # fmt: skip
    settings = proposed(found)
    assert settings.subset.sizes == [20_000]
    assert settings.replicates == 1
    assert settings.vae.components == 30


@pytest.mark.parametrize(("cells", "replicates"), [(5_000, 3), (5_001, 1), (90_000, 1)])
def test_a_budget_is_for_the_models_of_all_replicates(cells, replicates):
    sizes = pd.Series({"B": cells // 2, "T": cells - cells // 2})
    choice = Choice(finding.Column("cell_type", sizes, 0), None)
    training = round(0.8 * min(cells, 20_000))
    model = recommended(choice, 30)
    assert model == recommend_model(training, 30, replicates)
    assert recommended(choice) == recommend_model(training, None, replicates)


def test_a_budget_for_several_seeds_averages_their_probabilities_too(tmp_path):
    found = find(file(tmp_path))
    assert proposed(found, budget=60).representations()[-1] == "gmvae-z25-h100-s5"
    assert proposed(found, budget=60).grid.classifiers[-1] == "averaged-logistic"


@pytest.mark.parametrize(
    ("content", "said"),
    [(None, "found none: check"), (b"", "found an empty file"), (b"nonsense", "whole file in the")],
)
def test_absent_empty_and_broken_files_are_refused(tmp_path, content, said):
    path = tmp_path / "x.h5ad"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=said):
        find(path)


def test_other_formats_are_looked_into_too(tmp_path):
    table = pd.DataFrame(COUNTS.astype(int), index=[f"c{i}" for i in range(60)])
    table.to_csv(tmp_path / "cells.csv")
    found = find(tmp_path / "cells.csv")
    assert found.counts.genes == 20
    assert found.labels == []
