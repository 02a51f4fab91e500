"""A trained annotator as a folder of safetensors, CSV and JSON; the reference is not needed.

``bundle.json`` describes the format, the training and the scores. It holds a SHA-256 of every other
file and one of its own content. Nothing is ever unpickled.
"""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from latentcell import __version__
from latentcell.annotate.annotator import Annotator
from latentcell.annotate.classifier import TypeClassifier
from latentcell.annotate.density import Density
from latentcell.annotate.experts import GMVAE, HVG_PCA
from latentcell.annotate.kept import KeptCells
from latentcell.config.settings import AnnotateSettings
from latentcell.runtime.errors import InputError
from latentcell.runtime.io import read_json, write_csv, write_json
from latentcell.runtime.mark import mark_json
from latentcell.runtime.provenance import file_digest
from latentcell.runtime.tensors import atomic_tensors

FORMAT, VERSION = "latentcell-annotator", 5
ABOUT, GENES = "bundle.json", "genes.csv"
CLASSIFIER, HELD_OUT, SAMPLE, DENSITY = (
    *("classifier.safetensors", "held_out.safetensors", "sample.safetensors"),
    "density.safetensors",
)
_FILES = {ABOUT, GENES, CLASSIFIER, HELD_OUT, SAMPLE, DENSITY}


def save_bundle(annotator: Annotator, folder: str | Path) -> None:
    """Write a bundle atomically; equal content gives equal bytes.

    Raises
    ------
    InputError
        If the name is taken by something other than a bundle.
    """
    folder = Path(folder)
    refuse_other(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as temporary:
        unfinished = Path(temporary) / folder.name
        unfinished.mkdir()
        _write(annotator, unfinished)
        if folder.exists():
            folder.rename(Path(temporary) / "former")
        unfinished.rename(folder)


def remove_files(folder: str | Path) -> None:
    """Remove the files of a bundle, complete or not, from a folder."""
    for name in _FILES:
        (Path(folder) / name).unlink(missing_ok=True)


def refuse_other(folder: str | Path) -> None:
    """Raise `InputError` if a name is taken by something other than a bundle."""
    folder = Path(folder)
    here = Path.cwd()
    if folder.resolve() in (here, *here.parents):
        raise InputError(
            f"{folder}: expected another folder than the working folder and those above, as a "
            "bundle is replaced as a whole: choose another name"
        )
    if folder.is_dir():
        # Hidden files are those of file managers and of Snakemake.
        names = {path.name for path in folder.iterdir() if not path.name.startswith(".")}
        if not names or (ABOUT in names and names <= _FILES):
            return
        if ABOUT in names:
            raise InputError(
                f"{folder}: expected a bundle alone, found other files in its folder, such as "
                f"{min(names - _FILES)}, which would be lost: move them or choose another name"
            )
    if folder.exists():
        raise InputError(
            f"{folder}: expected a new folder or a bundle to replace, found something else: "
            "choose another name"
        )


def _write(annotator: Annotator, folder: Path) -> None:
    from safetensors.numpy import save_file

    genes = annotator.genes
    write_csv(folder / GENES, pd.DataFrame({"gene": genes.index, "symbol": genes["symbol"]}))
    classifier = annotator.classifier
    held_out, sample = (
        cells.tensors(classifier.types) for cells in (annotator.held_out, annotator.sample)
    )
    stored = ((CLASSIFIER, classifier.tensors()), (HELD_OUT, held_out), (SAMPLE, sample))
    for name, arrays in stored:
        tensors = {key: np.ascontiguousarray(array) for key, array in arrays.items()}
        with atomic_tensors(folder / name) as unfinished:
            save_file(tensors, unfinished)
    files = [GENES, CLASSIFIER, HELD_OUT, SAMPLE]
    if annotator.density is not None:
        from latentcell.models.checkpoint import save

        save(folder / DENSITY, *annotator.density.stored())
        files.append(DENSITY)
    about = {
        "format": FORMAT,
        "format_version": VERSION,
        "latentcell": __version__,
        "classifier": annotator.classifier.describe(),
        "genes": len(genes),
        "settings": annotator.settings.model_dump(mode="json", exclude={"query", "query_layer"}),
        "reference": annotator.reference,
        "sha256": {name: file_digest(folder / name) for name in files},
    }
    # The digest covers the mark of simulated cells, which `write_json` adds.
    write_json(folder / ABOUT, about | {"digest": _digest(mark_json(about))})


def load_bundle(folder: str | Path) -> Annotator:
    """Read a bundle.

    Raises
    ------
    InputError
        If the folder is not a bundle, has another version or is damaged.
    """
    folder = Path(folder)
    about = _read_about(folder)
    for name, digest in about["sha256"].items():
        # Names come from the file: only names of bundle files are ever opened.
        if (
            name not in (GENES, CLASSIFIER, HELD_OUT, SAMPLE, DENSITY)
            or not (folder / name).is_file()
        ):
            raise _damaged(folder, f"found no bundle file {name}")
        if file_digest(folder / name) != digest:
            raise _damaged(folder, f"found {name} changed")
    try:
        return _restore(folder, about)
    except (KeyError, ValueError, TypeError, IndexError, RuntimeError) as error:
        raise _damaged(folder, f"found parts that do not fit ({error})") from error


def _damaged(folder: Path, found: str) -> InputError:
    return InputError(
        f"{folder}: expected an intact bundle, {found}: copy it again, or make a new one with "
        "latentcell train"
    )


def _read_about(folder: Path) -> dict[str, Any]:
    path = folder / ABOUT
    if not path.is_file():
        raise InputError(
            f"{folder}: expected a bundle, a folder with {ABOUT}, found none: make one with "
            "latentcell train"
        )
    try:
        about = read_json(path)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise _damaged(folder, f"found an unreadable {ABOUT} ({error})") from None
    if not isinstance(about, dict) or about.get("format") != FORMAT:
        raise InputError(
            f"{path}: expected the format {FORMAT}, found "
            f"{about.get('format') if isinstance(about, dict) else type(about).__name__!r}: make "
            "a bundle with latentcell train"
        )
    if about.get("format_version") != VERSION:
        raise InputError(
            f"{path}: expected version {VERSION} of the format, found "
            f"{about.get('format_version')}, written by latentcell {about.get('latentcell')}: use "
            "that version, or make the bundle again"
        )
    rest = {key: value for key, value in about.items() if key != "digest"}
    if about.get("digest") != _digest(rest) or not isinstance(about.get("sha256"), dict):
        raise _damaged(folder, f"found {ABOUT} changed")
    return about


def _digest(about: dict[str, Any]) -> str:
    text = json.dumps(about, sort_keys=True, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def _restore(folder: Path, about: dict[str, Any]) -> Annotator:
    from safetensors.numpy import load_file

    genes = pd.read_csv(folder / GENES, dtype=str, na_filter=False)
    classifier = TypeClassifier.restore(load_file(folder / CLASSIFIER), about["classifier"])
    _check_shapes(classifier, len(genes))
    held_out, sample = (
        KeptCells.restore(load_file(folder / name), classifier.types) for name in (HELD_OUT, SAMPLE)
    )
    if not held_out.counts.shape[1] == sample.counts.shape[1] == len(genes):
        raise ValueError("the kept cells have other genes")
    density = None
    if DENSITY in about["sha256"]:
        from latentcell.models.checkpoint import load

        density = Density.restore(*load(folder / DENSITY))
        if not len(density.usual) == len(density.trained.inputs.genes.modelled) == len(genes):
            raise ValueError("the density model has other genes")
    return Annotator(
        genes=pd.DataFrame({"symbol": genes["symbol"].to_numpy()}, index=genes["gene"].to_numpy()),
        classifier=classifier,
        density=density,
        held_out=held_out,
        sample=sample,
        settings=AnnotateSettings.model_validate(about["settings"]),
        reference=about["reference"],
    )


def _check_shapes(classifier: TypeClassifier, genes: int) -> None:
    """Check that the arrays are finite and have matching shapes."""
    representation = classifier.representation
    components, variable = representation.pca.components.shape
    types = len(classifier.types)
    expected: dict[str, tuple[NDArray[Any], tuple[int, ...]]] = {
        "mean_counts": (classifier.mean_counts, (genes,)),
        "mean_logs": (classifier.mean_logs, (genes,)),
        "spread": (classifier.spread, (components,)),
        "importance": (classifier.importance, (genes,)),
        "markers": (classifier.marker_weights, (types, classifier.marker_genes.shape[1])),
        "components": (representation.pca.components, (components, variable)),
        "mean": (representation.pca.mean, (variable,)),
        "genes": (representation.genes, (variable,)),
    }
    for expert in classifier.experts:
        columns = components if expert.name == HVG_PCA else genes
        if expert.name == GMVAE:
            columns = _latent_dimensions(classifier, genes)
        expected[f"coefficients of {expert.name}"] = expert.coefficients, (types, columns)
        expected[f"intercepts of {expert.name}"] = expert.intercepts, (types,)
    for name, (array, shape) in expected.items():
        if array.shape != shape or not np.isfinite(array).all():
            raise ValueError(f"{name} has the shape {array.shape}, not {shape}")
    if representation.all_genes != genes or not classifier.experts:
        raise ValueError("other genes")
    for places in (representation.genes, classifier.marker_genes):
        if places.size and not 0 <= places.min() <= places.max() < genes:
            raise ValueError("other genes")


def _latent_dimensions(classifier: TypeClassifier, genes: int) -> int:
    if classifier.latents is None:
        raise ValueError("there is no GMVAE")
    [model] = classifier.latents.models
    if len(model.inputs.genes.modelled) != genes:
        raise ValueError("the GMVAE has other genes")
    return int(model.model.shape.latent_dim)
