"""Classifiers as parts of a job."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import anndata as ad

from latentcell.batch import Part
from latentcell.classify.ffnn import Task, train_ffnn_many
from latentcell.data.classified import classified_cells
from latentcell.errors import InputError
from latentcell.evaluate.classifiers import write_classifier
from latentcell.names import pca_components, replicate_seed
from latentcell.progress import Progress
from latentcell.provenance import file_digest, text_digest
from latentcell.settings import FfnnSettings, LatentsSettings, SplitSettings
from latentcell.variants import is_latent


@dataclass(frozen=True)
class Protocol:
    """What decides how a representation is classified."""

    ffnn: FfnnSettings
    latents: LatentsSettings
    split: SplitSettings


def classifier_parts(
    sources: Sequence[str], files: Iterable[Sequence[str]], protocol: Protocol, code: str
) -> list[Part]:
    """Classifiers to be trained; on CUDA the replicates of an input are one part.

    Parameters
    ----------
    sources : sequence of str
        File of the features of each classifier.
    files : iterable of four str
        What each makes, in ``{replicate}/ffnn/{input}/``: weights, learning curve, predictions and
        measures.
    protocol : Protocol
    code : str
        Digest of the code.
    """
    classifiers = [
        _Classifier(source, tuple(map(Path, made)), protocol)
        for source, made in zip(sources, files, strict=True)
    ]
    alone = protocol.ffnn.device == "cpu"
    groups = groupby(classifiers, lambda one: one.name if alone else one.input)
    return [_part(list(members), code) for _, members in groups]


@dataclass(frozen=True)
class _Classifier:
    source: str
    files: tuple[Path, ...]
    protocol: Protocol

    @property
    def input(self) -> str:
        return self.files[0].parts[-2]

    @property
    def replicate(self) -> str:
        return self.files[0].parts[-4]

    @property
    def name(self) -> str:
        return f"{self.input} of {self.replicate}"

    def digest(self, code: str) -> str:
        return text_digest(file_digest(self.source), code, self.protocol, self.name)

    def cells(self) -> ad.AnnData:
        """The cells that the classifier sees, with its split."""
        return classified_cells(
            ad.read_h5ad(self.source),
            self.input,
            latent=is_latent(self.input),
            latents=self.protocol.latents,
            split=self.protocol.split,
            own_split=self.protocol.ffnn.split == "own",
            seed=replicate_seed(self.protocol.split.seed, self.replicate),
        )

    def task(self, cells: ad.AnnData) -> Task:
        """What the classifier is trained on."""
        features = cells.X[:, : pca_components(self.input)]
        types = cells.obs["cell_type"].cat
        seed = replicate_seed(self.protocol.ffnn.seed, self.replicate)
        return Task(features, types.codes, cells.obs["split"], list(types.categories), seed)


def _part(members: list[_Classifier], code: str) -> Part:
    """Classifiers that are trained together, as a part of the job."""

    def work(part: Part) -> None:
        settings = members[0].protocol.ffnn
        tables = [one.cells() for one in members]
        tasks = [one.task(cells) for one, cells in zip(members, tables, strict=True)]
        progress = Progress(f"classifier of {members[0].input}", settings.epochs)
        results = train_ffnn_many(tasks, settings, progress=progress.report)
        failures = []
        for one, cells, result in zip(members, tables, results, strict=True):
            if isinstance(result, InputError):
                failures.append(f"{one.name}: {result}")
            else:
                write_classifier(list(map(part.at, one.files)), one.input, cells, result)
        if failures:
            raise InputError("; ".join(failures))

    return Part(
        ", ".join(one.name for one in members),
        tuple(file for one in members for file in one.files),
        text_digest(*(one.digest(code) for one in members)),
        work,
    )
