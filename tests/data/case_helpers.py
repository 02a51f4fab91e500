"""What tests of files of users share: the command, its results, and a bundle to annotate with."""

import anndata as ad
from scipy import sparse

from latentcell.annotate import train
from latentcell.cli import main
from latentcell.config.settings import AnnotateSettings


def says(capsys, *arguments):
    """Return exit status, output and error output of the command."""
    capsys.readouterr()
    status = main(list(map(str, arguments)))
    said = capsys.readouterr()
    return status, said.out, said.err


def annotated(capsys, bundle, path, folder, *options):
    """Annotate a file by the command, and return what it wrote."""
    output = folder / "typed.h5ad"
    status, _, error = says(capsys, "annotate", "--bundle", bundle, path, "-o", output, *options)
    assert status == 0, error
    return ad.read_h5ad(output)


def assert_counts(read, expected):
    """Assert that all counts were read."""
    assert read.shape == expected.shape
    assert (sparse.csr_matrix(read.X) != sparse.csr_matrix(expected.X)).nnz == 0


def trained(reference, folder, **given):
    """Train on a reference, without a density, and return the bundle."""
    reference.write_h5ad(folder / "reference.h5ad")
    settings = AnnotateSettings(density=False, penalties=[1.0], **given)
    train(folder / "reference.h5ad", settings, bundle=folder / "bundle")
    return folder / "bundle"
