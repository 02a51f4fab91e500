"""Files that users report in public trackers, each made by a small function.

Every function is called with a folder, writes there what the report describes, and returns the path
that the user names. ``REPORTS`` holds the report of each, as repository and number.
"""

import gzip
import shutil
from collections.abc import Callable
from pathlib import Path

import anndata as ad
import h5py
import numpy as np
import pandas as pd
from anndata.io import write_elem
from scipy import io as scipy_io
from scipy import sparse

TYPES = ("B", "CD14+ monocyte", "T")
_SYMBOLS = (
    *("ACTB", "B2M", "CCR7", "CD14", "CD19", "CD2", "CD22", "CD247", "CD27", "CD28", "CD3D"),
    *("CD3E", "CD3G", "CD5", "CD7", "CD79A", "CD79B", "CST3", "CTSS", "FCER1G", "FCGR3A"),
    *("FTL", "GAPDH", "GNLY", "GZMA", "GZMB", "HLA-A", "HLA-DRA", "IGHM", "IL32", "IL7R"),
    *("LCK", "LEF1", "LTB", "LYZ", "MALAT1", "MARCHF1", "MS4A1", "MT-CO1", "MT-ND1", "NKG7"),
    *("PPBP", "PTPRC", "RPL10", "RPL13", "RPS12", "RPS27", "S100A8", "S100A9", "SEPTIN2"),
    *("TCF7", "TRAC", "TYROBP", "VPREB3", "ZAP70", "LINC00926", "PF4", "KLRB1", "CCL5", "FCN1"),
)
# Marker genes of each type, of which its cells have more.
_MARKERS = {
    "B": ("CD19", "CD79A", "CD79B", "MS4A1", "HLA-DRA", "IGHM", "VPREB3", "LINC00926"),
    "CD14+ monocyte": ("CD14", "LYZ", "S100A8", "S100A9", "CST3", "FCN1", "CTSS", "TYROBP"),
    "T": ("CD3D", "CD3E", "CD3G", "IL7R", "TRAC", "LCK", "CD2", "TCF7"),
}
REPORTS: dict[str, str] = {}
MAKERS: dict[str, Callable[[Path], Path]] = {}


def case(report: str) -> Callable[[Callable[[Path], Path]], Callable[[Path], Path]]:
    """Register a function that makes the files of a report, such as ``scverse/scanpy#2053``."""

    def register(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
        name = make.__name__
        REPORTS[name], MAKERS[name] = report, make
        return make

    return register


def cells(number: int = 120, seed: int = 0, *, typed: bool = True) -> ad.AnnData:
    """Return cells of three types that differ in known marker genes, with counts in X."""
    random = np.random.default_rng(seed)
    types = np.array(TYPES)[np.arange(number) % len(TYPES)]
    mean = np.full((number, len(_SYMBOLS)), 0.4)
    for name, genes in _MARKERS.items():
        mean[np.ix_(types == name, [_SYMBOLS.index(gene) for gene in genes])] = 6.0
    counts = random.poisson(mean).astype(np.float32)
    counts[:, _SYMBOLS.index("MALAT1")] += 1
    letters = np.array(list("ACGT"))
    barcodes = ["".join(row) + "-1" for row in letters[random.integers(0, 4, (number, 16))]]
    var = pd.DataFrame(
        {"gene_ids": [f"ENSG{50 + place:011d}" for place in range(len(_SYMBOLS))]},
        index=pd.Index(_SYMBOLS, dtype=object),
    )
    adata = ad.AnnData(sparse.csr_matrix(counts), obs=pd.DataFrame(index=barcodes), var=var)
    if typed:
        adata.obs["cell_type"] = pd.Categorical(types)
    return adata


REFERENCE, QUERY = cells(), cells(30, seed=1, typed=False)
IDS = QUERY.var["gene_ids"].tolist()
LOGS = np.log1p(QUERY.X.toarray() / QUERY.X.toarray().sum(1, keepdims=True) * 1e4)


def _lines(path: Path, lines: list[str]) -> Path:
    text = "".join(f"{line}\n" for line in lines).encode()
    path.write_bytes(gzip.compress(text, mtime=0) if path.suffix == ".gz" else text)
    return path


def _matrix(path: Path, matrix: sparse.csr_matrix) -> Path:
    plain = path.with_name(path.name.removesuffix(".gz"))
    scipy_io.mmwrite(plain, sparse.coo_matrix(matrix).astype(int))
    if path.suffix == ".gz":
        with plain.open("rb") as text, gzip.open(path, "wb") as packed:
            shutil.copyfileobj(text, packed)
        plain.unlink()
    return path


def _written(folder: Path, adata: ad.AnnData, name: str = "query.h5ad") -> Path:
    adata.write_h5ad(folder / name)
    return folder / name


# Matrices with names beside them.


@case("scverse/scanpy#2053")
def genes_in_one_column(folder: Path) -> Path:
    _lines(folder / "genes.tsv", list(QUERY.var_names))
    _lines(folder / "barcodes.tsv", list(QUERY.obs_names))
    return _matrix(folder / "matrix.mtx", QUERY.X.T).parent


@case("scverse/scanpy#3214")
def prefix_with_genes_tsv(folder: Path) -> Path:
    pairs = [f"{i}\t{s}" for i, s in zip(IDS, QUERY.var_names, strict=True)]
    for prefix, kept in (("GSM6567159_PDAC2_", QUERY), ("GSM6567160_PDAC3_", QUERY[:10])):
        _lines(folder / f"{prefix}genes.tsv.gz", pairs)
        _lines(folder / f"{prefix}barcodes.tsv.gz", list(kept.obs_names))
        _matrix(folder / f"{prefix}matrix.mtx.gz", kept.X.T)
    return folder / "GSM6567159_PDAC2_matrix.mtx.gz"


@case("scverse/scanpy#1408")
def features_in_two_columns(folder: Path) -> Path:
    pairs = [f"{i}\t{s}" for i, s in zip(IDS, QUERY.var_names, strict=True)]
    _lines(folder / "features.tsv.gz", pairs)
    _lines(folder / "barcodes.tsv.gz", list(QUERY.obs_names))
    return _matrix(folder / "matrix.mtx.gz", QUERY.X.T).parent


@case("scverse/scanpy#3457")
def features_unpacked(folder: Path) -> Path:
    named = zip(IDS, QUERY.var_names, strict=True)
    _lines(folder / "features.tsv", [f"{i}\t{s}\tGene Expression" for i, s in named])
    _lines(folder / "barcodes.tsv", list(QUERY.obs_names))
    return _matrix(folder / "matrix.mtx", QUERY.X.T).parent


@case("alexdobin/STAR#2097")
def starsolo_velocity(folder: Path) -> Path:
    named = zip(IDS, QUERY.var_names, strict=True)
    _lines(folder / "features.tsv", [f"{i}\t{s}\tGene Expression" for i, s in named])
    _lines(folder / "barcodes.tsv", list(QUERY.obs_names))
    _matrix(folder / "spliced.mtx", QUERY.X.T)
    _matrix(folder / "unspliced.mtx", (QUERY.X.T > 3).astype(int))
    _matrix(folder / "ambiguous.mtx", (QUERY.X.T > 5).astype(int))
    return folder


@case("broadinstitute/CellBender#254")
def parse_biosciences(folder: Path) -> Path:
    named = zip(IDS, QUERY.var_names, strict=True)
    _lines(
        folder / "all_genes.csv", ["gene_id,gene_name,genome", *(f"{i},{s},hg38" for i, s in named)]
    )
    _lines(
        folder / "cell_metadata.csv",
        ["bc_wells,sample,gene_count", *(f"{name},S1,7" for name in QUERY.obs_names)],
    )
    return _matrix(folder / "count_matrix.mtx", QUERY.X).parent


@case("scverse/scanpy#3909")
def numbers_for_genes(folder: Path) -> Path:
    numbers = range(109_979, 109_979 + QUERY.n_vars)
    pairs = zip(numbers, QUERY.var_names, strict=True)
    _lines(folder / "features.tsv.gz", [f"{i}\t{s}\tGene Expression" for i, s in pairs])
    _lines(folder / "barcodes.tsv.gz", list(QUERY.obs_names))
    return _matrix(folder / "matrix.mtx.gz", QUERY.X.T).parent


@case("scverse/scanpy#1761")
def expression_atlas(folder: Path) -> Path:
    stem = "E-HCAD-4.aggregated_filtered_counts.mtx"
    _lines(folder / f"{stem}_rows", [f"{name}\t{name}" for name in IDS])
    _lines(folder / f"{stem}_cols", [f"SAMEA1-{name}" for name in QUERY.obs_names])
    return _matrix(folder / stem, QUERY.X.T)


@case("scverse/scanpy#1916")
def hashtags_alone(folder: Path) -> Path:
    _lines(
        folder / "features.tsv.gz", ["HTO_A-ACCCACCAGTAAGAC", "HTO_B-GGTCGAGAGCATTCA", "unmapped"]
    )
    _lines(folder / "barcodes.tsv.gz", [name[:-2] for name in QUERY.obs_names])
    return _matrix(folder / "matrix.mtx.gz", QUERY.X.T[:3]).parent


@case("COMBINE-lab/alevin-fry#178")
def alevin_usa(folder: Path) -> Path:
    names = [f"{gene}{end}" for end in ("", "-U", "-A") for gene in IDS]
    _lines(folder / "quants_mat_cols.txt", names)
    _lines(folder / "quants_mat_rows.txt", [name[:-2] for name in QUERY.obs_names])
    spliced = sparse.csr_matrix(np.floor(QUERY.X.toarray() / 2))
    parts = sparse.hstack([spliced, QUERY.X - spliced, spliced])
    return _matrix(folder / "quants_mat.mtx", parts)


@case("pachterlab/kallistobustools#46")
def genes_without_symbols(folder: Path) -> Path:
    named = zip(IDS, QUERY.var_names, strict=True)
    pairs = [f"{i}\t{s if place % 2 else ''}" for place, (i, s) in enumerate(named)]
    _lines(folder / "genes.tsv", pairs)
    _lines(folder / "barcodes.tsv", list(QUERY.obs_names))
    return _matrix(folder / "matrix.mtx", QUERY.X.T).parent


# AnnData files.


def _legacy(path: Path, obs: dict[str, np.ndarray], var: dict[str, np.ndarray], **uns) -> Path:
    """Write the layout of anndata 0.6: tables as compound data, categories in ``uns``."""
    with h5py.File(path, "w") as file:
        file["X"] = QUERY.X.toarray()
        for name, index, columns in (("obs", QUERY.obs_names, obs), ("var", QUERY.var_names, var)):
            fields = {"index": np.array(list(index), dtype="S24")} | columns
            kinds = [(key, values.dtype) for key, values in fields.items()]
            rows = np.zeros(len(index), dtype=kinds)
            for key, values in fields.items():
                rows[key] = values
            file[name] = rows
        for key, values in uns.items():
            file[f"uns/{key}"] = values
    return path


@case("scverse/anndata#304")
def one_name_for_two_categoricals(folder: Path) -> Path:
    """The genes' column overwrote the categories of the cells' one in the file."""
    types = (np.arange(QUERY.n_obs) % 3).astype(np.int8)
    genes = (np.arange(QUERY.n_vars) % 3).astype(np.int8)
    return _legacy(
        folder / "old.h5ad",
        {"cell_type": types},
        {"cell_type": genes},
        cell_type_categories=np.array([b"coding", b"lincRNA", b"pseudogene"]),
    )


@case("scverse/anndata#184")
def one_number_for_a_category(folder: Path) -> Path:
    """A categorical of one number, whose categories anndata wrote as a scalar."""
    types = (np.arange(QUERY.n_obs) % 3).astype(np.int8)
    return _legacy(
        folder / "old.h5ad",
        {"batch": np.zeros(QUERY.n_obs, np.int8), "cell_type": types},
        {},
        batch_categories=np.int64(7),
        cell_type_categories=np.array([name.encode() for name in TYPES]),
    )


@case("scverse/anndata#621")
def column_named_but_absent(folder: Path) -> Path:
    path = _written(folder, REFERENCE)
    with h5py.File(path, "a") as file:
        file["obs"].attrs["column-order"] = ["Geistlinger_Tumor_stage", "cell_type"]
    return path


@case("scverse/anndata#879")
def column_added_by_hand(folder: Path) -> Path:
    path = _written(folder, REFERENCE)
    with h5py.File(path, "a") as file:
        file["obs/score"] = np.arange(REFERENCE.n_obs)
    return path


@case("scverse/scanpy#2297")
def embedding_of_other_names(folder: Path) -> Path:
    table = pd.DataFrame({"x": np.arange(QUERY.n_obs)}, index=QUERY.obs_names)
    path = _written(folder, ad.AnnData(QUERY.X, QUERY.obs, QUERY.var, obsm={"X_proteins": table}))
    with h5py.File(path, "a") as file:
        names = file["obsm/X_proteins/_index"]
        names[:] = [str(place) for place in range(QUERY.n_obs)]
    return path


@case("scverse/anndata#122")
def types_with_an_order(folder: Path) -> Path:
    adata = REFERENCE.copy()
    adata.obs["cell_type"] = pd.Categorical(
        adata.obs["cell_type"].astype(str), categories=TYPES[::-1], ordered=True
    )
    return _written(folder, adata)


@case("ncborcherding/utility#23")
def pointers_overflowed(folder: Path) -> Path:
    path = _written(folder, QUERY)
    with h5py.File(path, "a") as file:
        ends = file["X/indptr"][:].astype(np.int32)
        ends[-10:] -= np.int32(2**31 - 1)
        file["X/indptr"][:] = ends
    return path


@case("scverse/anndata#1470")
def tail_lost_when_joined(folder: Path) -> Path:
    """The pointers of files that were joined on disk stop before the values do."""
    path = _written(folder, QUERY)
    with h5py.File(path, "a") as file:
        ends = file["X/indptr"][:]
        ends[20:] = ends[20]
        file["X/indptr"][:] = ends
    return path


@case("bnprks/BPCells#76")
def unsigned_numbers(folder: Path) -> Path:
    path = _written(folder, QUERY)
    with h5py.File(path, "a") as file:
        for name, kind in (("data", "u4"), ("indices", "u4"), ("indptr", "u8")):
            values = file[f"X/{name}"][:].astype(kind)
            del file[f"X/{name}"]
            file[f"X/{name}"] = values
    return path


@case("scverse/scvi-tutorials#66")
def corrected_counts(folder: Path) -> Path:
    """Layer ``counts`` corrected for ambient RNA: not whole."""
    adata = ad.AnnData(sparse.csr_matrix(LOGS), QUERY.obs, QUERY.var)
    corrected = QUERY.X.copy()
    corrected.data[::4] *= 0.93
    adata.layers["counts"] = corrected
    return _written(folder, adata)


@case("mojaveazure/seurat-disk#161")
def scaled_and_normalised_alone(folder: Path) -> Path:
    """Seurat's scaled variable genes as X and its normalised data as raw."""
    adata = ad.AnnData(sparse.csr_matrix(LOGS), QUERY.obs, QUERY.var)
    adata.raw = adata
    adata = adata[:, :20].copy()
    scaled = LOGS[:, :20]
    adata.X = (scaled - scaled.mean(0)) / (scaled.std(0) + 1e-3)
    return _written(folder, adata)


@case("theislab/zellkonverter#102")
def layers_of_other_tools(folder: Path) -> Path:
    adata = ad.AnnData(LOGS.astype(np.float32), QUERY.obs, QUERY.var)
    less = QUERY.X.copy()
    less.data = np.maximum(less.data - 1, 0)
    adata.layers.update({"Cellbender_filtered": less, "raw": QUERY.X, "scran": LOGS / 2})
    return _written(folder, adata)


@case("scverse/anndata#871")
def index_named_like_a_column(folder: Path) -> Path:
    """A column ``barcode`` beside an index of that name, which anndata refuses to write."""
    adata = QUERY.copy()
    path = _written(folder, adata)
    with h5py.File(path, "a") as file:
        file.move("obs/_index", "obs/barcode")
        file["obs"].attrs["_index"] = "barcode"
        file["obs"].attrs["column-order"] = ["barcode"]
    return path


@case("openpipelines-bio/openpipeline#1207")
def types_of_no_cell(folder: Path) -> Path:
    """Categories that were left when the cells were selected."""
    adata = REFERENCE.copy()
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.add_categories(["NK", "HSC"])
    return _written(folder, adata)


@case("scverse/scvi-tools#867")
def types_with_gaps(folder: Path) -> Path:
    adata = REFERENCE.copy()
    adata.obs.loc[adata.obs_names[:30], "cell_type"] = np.nan
    return _written(folder, adata)


@case("scverse/scanpy#626")
def truncated(folder: Path) -> Path:
    path = _written(folder, QUERY)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


@case("openpipelines-bio/openpipeline#586")
def page_in_place_of_a_file(folder: Path) -> Path:
    return _lines(folder / "query.h5ad", ["<!DOCTYPE html>", "<html>Sign in</html>"])


@case("scverse/anndata#1258")
def booleans_with_gaps(folder: Path) -> Path:
    adata = QUERY.copy()
    path = _written(folder, adata)
    with h5py.File(path, "a") as file:
        values = pd.array([None, True, False] * (QUERY.n_obs // 3), dtype="boolean")
        write_elem(file["obs"], "is_doublet", values)
        file["obs"].attrs["column-order"] = ["is_doublet"]
    return path


@case("YosefLab/popV#26")
def other_symbols_same_identifiers(folder: Path) -> Path:
    adata = QUERY.copy()
    adata.var_names = [f"{name}-OLD" if place < 20 else name for place, name in enumerate(_SYMBOLS)]
    return _written(folder, adata)


@case("chanzuckerberg/single-cell-curation#1472")
def identifiers_with_versions(folder: Path) -> Path:
    adata = QUERY.copy()
    adata.var = pd.DataFrame(index=[f"{name}.{place}" for place, name in enumerate(IDS, start=1)])
    return _written(folder, adata)


@case("Teichlab/celltypist#14")
def proteins_without_a_mark(folder: Path) -> Path:
    """Antibodies beside the genes that only the prefix ``AB_`` tells."""
    proteins = [f"AB_{name}" for name in ("CD3", "CD14", "CD19")]
    counts = sparse.hstack([QUERY.X, sparse.csr_matrix(np.full((QUERY.n_obs, 3), 900.0))])
    var = pd.DataFrame(index=[*QUERY.var_names, *proteins])
    return _written(folder, ad.AnnData(sparse.csr_matrix(counts, dtype=np.float32), QUERY.obs, var))


@case("cellgeni/sceasy#94")
def types_that_became_codes(folder: Path) -> Path:
    adata = REFERENCE.copy()
    adata.obs = pd.DataFrame(
        {
            "datasetID": 0,
            "orig_cellAnno": adata.obs["cell_type"].cat.codes.astype(np.int32).to_numpy(),
            "percent_mito": np.linspace(0, 9, adata.n_obs),
        },
        index=adata.obs_names,
    )
    return _written(folder, adata)


# Loom files.


def _loom(path: Path, rows: dict[str, list[str]], columns: dict[str, list[str]]) -> Path:
    with h5py.File(path, "w") as file:
        file["matrix"] = QUERY.X.toarray().T
        for group, attributes in (("row_attrs", rows), ("col_attrs", columns)):
            file.create_group(group)
            for name, values in attributes.items():
                file[group][name] = np.array(values, dtype=h5py.string_dtype())
        for group in ("layers", "row_graphs", "col_graphs"):
            file.create_group(group)
    return path


@case("scverse/anndata#224")
def loom_of_anndata(folder: Path) -> Path:
    """What ``AnnData.write_loom`` names the genes and cells."""
    rows = {"var_names": list(QUERY.var_names), "gene_ids": IDS}
    return _loom(folder / "query.loom", rows, {"obs_names": list(QUERY.obs_names)})


@case("STOmics/Stereopy#394")
def loom_with_identifiers_as_genes(folder: Path) -> Path:
    rows = {"Gene": IDS, "Accession": IDS, "Symbol": list(QUERY.var_names)}
    return _loom(folder / "query.loom", rows, {"CellID": list(QUERY.obs_names)})


# Tables.


def _rows(adata: ad.AnnData, separator: str = "\t") -> list[str]:
    values = adata.X.toarray().astype(int)
    return [
        separator.join([name, *map(str, row)])
        for name, row in zip(adata.obs_names, values, strict=True)
    ]


def _genes_in_rows(between: Callable[[int], list[str]] = lambda _: []) -> list[str]:
    values = QUERY.X.toarray().astype(int).T
    return [
        "\t".join([name, *between(place), *map(str, row)])
        for place, (name, row) in enumerate(zip(QUERY.var_names, values, strict=True))
    ]


@case("showteeth/GEfetch2R#9")
def feature_counts(folder: Path) -> Path:
    head = ["Geneid", "Chr", "Start", "End", "Strand", "Length"]
    between = lambda place: ["1;1", f"{place}1;{place}5", f"{place}3;{place}9", "+;+", "1200"]  # noqa: E731
    lines = [
        '# Program:featureCounts v2.0.1; Command:"featureCounts" "-a" "genes.gtf"',
        "\t".join([*head, *(f"bam/{name}.bam" for name in QUERY.obs_names)]),
        *_genes_in_rows(between),
    ]
    return _lines(folder / "counts.txt", lines)


@case("showteeth/GEfetch2R#11")
def rows_of_no_gene(folder: Path) -> Path:
    """HTSeq's and STAR's counts of reads without a gene, as rows of the table."""
    none = ["N_unmapped", "N_multimapping", "N_noFeature", "N_ambiguous", "__no_feature"]
    lines = [
        "\t".join(["gene", *QUERY.obs_names]),
        *("\t".join([name, *["5000"] * QUERY.n_obs]) for name in none),
        *_genes_in_rows(),
    ]
    return _lines(folder / "counts.tsv", lines)


@case("satijalab/seurat#1125")
def rhapsody(folder: Path) -> Path:
    adata = QUERY.copy()
    adata.obs_names = [str(place + 1) for place in range(adata.n_obs)]
    lines = [
        "####################",
        "## BD Targeted Multiplex Rhapsody Analysis Pipeline Version 1.8",
        "## Analysis Date: 2019-02-08 10:00:00",
        "## Sample: own",
        "## Reference: own.fasta",
        "## Bioproduct: ",
        "####################",
        ",".join(["Cell_Index", *adata.var_names]),
        *_rows(adata, ","),
    ]
    return _lines(folder / "own_RSEC_MolsPerCell.csv", lines)


@case("scverse/anndata#1573")
def commas_in_quoted_names(folder: Path) -> Path:
    adata = QUERY.copy()
    adata.obs_names = [f'"astrocyte,day{place},rep1"' for place in range(adata.n_obs)]
    return _lines(folder / "counts.csv", [",".join(["", *adata.var_names]), *_rows(adata, ",")])


@case("GangLiLab/genekitr#14")
def genes_that_became_dates(folder: Path) -> Path:
    names = ["1-Mar" if name == "MARCHF1" else name for name in QUERY.var_names]
    names = ["2-Sep" if name == "SEPTIN2" else name for name in names]
    return _lines(folder / "counts.csv", [",".join(["", *names]), *_rows(QUERY, ",")])


@case("scverse/anndata#587")
def fragments(folder: Path) -> Path:
    lines = ["# id=own", "# reference=GRCh38"]
    lines += [f"chr1\t{100 * i}\t{100 * i + 50}\t{n}\t1" for i, n in enumerate(QUERY.obs_names)]
    return _lines(folder / "atac_fragments.tsv.gz", lines)


@case("scverse/scanpy#1838")
def cells_without_counts(folder: Path) -> Path:
    """The table of types in place of the table of counts."""
    pairs = zip(REFERENCE.obs_names, REFERENCE.obs["cell_type"], strict=True)
    lines = [f"{name},CordBlood,{kind}" for name, kind in pairs]
    return _lines(folder / "types.csv", ["barcode,tissue,annotated_cell_identity.text", *lines])


@case("ixxmu/mp_duty#4615")
def a_row_for_each_count(folder: Path) -> Path:
    entries = sparse.coo_matrix(QUERY.X)
    lines = [
        f"{QUERY.var_names[gene]}\t{QUERY.obs_names[cell]}\t{int(count)}"
        for cell, gene, count in zip(entries.row, entries.col, entries.data, strict=True)
    ]
    return _lines(folder / "counts.tsv", ["gene\tcell\tcount", *lines])


@case("scverse/scanpy#2293")
def tabs_in_a_csv(folder: Path) -> Path:
    return _lines(folder / "counts.csv", ["\t".join(["", *QUERY.var_names]), *_rows(QUERY)])


# Types in a file of their own; the counts are `reference.h5ad`.


def _reference(folder: Path) -> Path:
    adata = REFERENCE.copy()
    del adata.obs["cell_type"]
    return _written(folder, adata, "reference.h5ad")


@case("zhangzlab/covid_balf#6")
def types_by_other_barcodes(folder: Path) -> Path:
    """Barcodes of all samples together, with the number of the sample, which the counts lack."""
    _reference(folder)
    named = zip(REFERENCE.obs_names, REFERENCE.obs["cell_type"], strict=True)
    lines = [f"{name[:-2]}_{place % 3 + 1}\t{kind}" for place, (name, kind) in enumerate(named)]
    return _lines(folder / "all.cell.annotation.meta.txt", ["ID\tcelltype", *lines])


@case("nasqar/seuratv3wizard#14")
def barcodes_with_points(folder: Path) -> Path:
    """R's ``read.csv`` made points of the hyphens."""
    _reference(folder)
    named = zip(REFERENCE.obs_names, REFERENCE.obs["cell_type"], strict=True)
    lines = [f"{name.replace('-', '.')},{kind}" for name, kind in named]
    return _lines(folder / "types.csv", ["cell,cell_type", *lines])
