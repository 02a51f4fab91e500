"""Annotate the cells of a query with a trained bundle."""

from pathlib import Path

from latentcell.annotate.bundle import load_bundle
from latentcell.annotate.files import annotate, load_query, write_annotation
from latentcell.annotate.report import query_lines
from latentcell.report.annotation import annotation_page
from latentcell.runtime.job import job
from latentcell.runtime.pieces import MANY

with job(snakemake):
    annotator = load_bundle(Path(snakemake.input.bundle[0]).parent)
    path = snakemake.input.query[0]
    query = load_query(path, snakemake.params.layer, MANY)
    cells, found = annotate(annotator, query, threads=snakemake.threads)
    page = annotation_page(annotator, found, Path(path).name)
    write_annotation(cells, found, annotator, snakemake.output[0], page)
    print("\n".join(query_lines(found)))
