"""Names of genes, and matching of the genes of two files."""

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from latentcell.data.naming import gene_naming, guess_species, match_genes, stable_id
from latentcell.runtime.errors import InputError


def genes(ids, symbols=None):
    return pd.DataFrame({"symbol": symbols or ids}, index=ids)


@pytest.mark.parametrize(
    ("name", "stable"),
    [
        ("ENSG00000243485.5", "ENSG00000243485"),
        ("ENSMUSG00000051951.12", "ENSMUSG00000051951"),
        ("ENSG00000243485", "ENSG00000243485"),
        ("RP11-34P13.7", "RP11-34P13.7"),  # a symbol with a point
        ("AC079922.3", "AC079922.3"),
    ],
)
def test_only_ensembl_identifiers_lose_their_version(name, stable):
    assert stable_id(name) == stable


@pytest.mark.parametrize(
    ("names", "naming", "species"),
    [
        (["ENSG00000243485", "ENSG00000237613.2"], "Ensembl identifiers", "human"),
        (["ENSMUSG00000051951", "ENSMUSG00000051952"], "Ensembl identifiers", "mouse"),
        (["ENSDARG00000000001", "ENSDARG00000000002"], "Ensembl identifiers", "zebrafish"),
        (["FBgn0000001", "FBgn0000002"], "Ensembl identifiers", "fruit fly"),
        (["ACTB", "GAPDH", "MALAT1", "CD3E"], "symbols", "human, or another species"),
        (["Actb", "Gapdh", "Malat1", "Cd3e"], "symbols", "mouse or rat"),
        (["actb", "gapdh", "malat1", "cd3e"], "symbols", "zebrafish"),
        (["915", "931", "4512"], "Entrez identifiers", None),
        (["gene-00001", "gene-00002"], "positions", None),
    ],
)
def test_naming_and_species(names, naming, species):
    assert gene_naming(names) == naming
    found = guess_species(genes(names))
    assert found is None if species is None else found.startswith(species)


def test_species_comes_from_symbols_where_identifiers_do_not_tell():
    assert guess_species(genes(["1", "2", "3"], ["Cd3e", "Actb", "Gapdh"])) == "mouse or rat"


COUNTS = sparse.csr_matrix(np.array([[1, 2, 3], [0, 5, 0]], np.int32))
REFERENCE = genes(["ENSG00000000001", "ENSG00000000002", "ENSG00000000003"], ["AAA", "BBB", "CCC"])


@pytest.mark.parametrize(
    ("query", "by"),
    [
        (genes(["ENSG00000000003.1", "ENSG00000000001.7", "ENSG00000000009"]), "identifiers"),
        (genes(["CCC", "AAA", "ZZZ"]), "symbols"),
        (genes(["x1", "x2", "x3"], ["CCC", "AAA", "ZZZ"]), "symbols"),
    ],
)
def test_genes_are_found_by_either_name(query, by):
    match = match_genes(REFERENCE, query, "q.h5ad")
    assert match.by == by
    assert match.present.tolist() == [True, False, True]
    assert match.arrange(COUNTS).toarray().tolist() == [[2, 0, 1], [5, 0, 0]]


def test_a_reference_of_symbols_is_found_in_a_query_of_identifiers_with_symbols():
    match = match_genes(genes(["AAA", "BBB"]), REFERENCE, "q.h5ad")
    assert match.present.all()
    assert match.arrange(COUNTS).toarray().tolist() == [[1, 2], [0, 5]]


def test_columns_that_are_the_same_gene_are_added():
    query = genes(["ENSG00000000001.1", "ENSG00000000001.2", "ENSG00000000002"])
    assert match_genes(REFERENCE, query, "q").arrange(COUNTS).toarray().tolist() == [
        [3, 3, 0],
        [5, 0, 0],
    ]


def test_other_species_are_refused_with_examples_of_both():
    query = genes(["ENSMUSG00000000001"], ["Aaa"])
    with pytest.raises(InputError, match=r"q\.h5ad: expected .*AAA.*none .*ENSMUSG.*same species"):
        match_genes(REFERENCE, query, "q.h5ad")
