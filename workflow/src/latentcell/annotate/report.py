"""What was learnt and what was found, in lines of text."""

from typing import Any

from latentcell.annotate.annotator import Annotator
from latentcell.annotate.apply import Annotation

# A query with so much missing, or so many flags, is told that something is wrong.
_MUCH_MISSING, _MANY_NOVEL = 0.1, 0.2


def reference_lines(annotator: Annotator) -> list[str]:
    """How well held-out cells of the reference are typed."""
    about, classifier = annotator.reference, annotator.classifier
    cells, test = about["cells"], about["test"]
    lines = [
        f"reference   {about['dataset']}: {len(classifier.types)} types, {cells['training']:,} "
        f"training, {cells['validation']:,} validation and {cells['test']:,} test cells",
        f"on test     accuracy {_number(test['accuracy'])}, balanced "
        f"{_number(test['balanced_accuracy'])}, macro-F1 {_number(test['macro_f1'])}",
        f"calibrated  expected calibration error {_number(test['calibration_error_before'])} "
        f"before, {_number(test['calibration_error_after'])} after (temperature "
        f"{classifier.temperature:.3g})",
        f"threshold   {classifier.threshold:.3f}: at most "
        f"{annotator.settings.unassigned_share:.0%} of the rightly typed validation cells lie "
        f"below; {_share(test['assigned'])} of the test cells are assigned, "
        f"{_share(test['accuracy_assigned'])} of them rightly",
    ]
    if annotator.density is not None:
        lines.append(
            f"novel       more than {annotator.density.limit:.1f} nats unexplained, as in about "
            f"{annotator.settings.novel_share:.0%} of cells of known types; "
            f"{_share(test['novel'])} of the test cells are flagged"
        )
    if "simulated" in about:
        lines.append(f"WARNING     {about['simulated']}")
    rare = [name for name, number in about["cells_of_types"].items() if number < 5]
    if rare:
        lines.append(
            f"note        fewer than 5 training cells, so hardly ever found: {', '.join(rare)}"
        )
    return lines


def query_lines(found: Annotation) -> list[str]:
    """What the query's cells are, and what was missing."""
    report = found.report
    lines = [f"query       {report['cells']:,} cells", *_gene_lines(report["genes"])]
    if report["empty_cells"]:
        lines.append(f"note        {report['empty_cells']:,} cells have no counts: unassigned")
    width = max(len(name) for name in report["types"])
    lines += ["types"] + [
        f"            {name:<{width}} {number:>9,} {number / report['cells']:7.1%}"
        for name, number in report["types"].items()
        if number
    ]
    if "novel" in report:
        lines += _novel_lines(report["novel"], report["cells"])
    return lines


def _gene_lines(genes: dict[str, Any]) -> list[str]:
    lines = [
        f"genes       {genes['matched']:,} of the reference's {genes['reference']:,} found, by "
        f"{genes['matched_by']}; missing: {genes['missing']:,} with {genes['counts_missing']:.1%} "
        f"of its counts, among them {genes['variable_missing']:,} of {genes['variable']:,} "
        f"variable ones ({genes['variable_missing_share']:.1%}, {genes['importance_missing']:.1%} "
        "of what tells types apart)"
    ]
    if genes["most_important_missing"]:
        named = ", ".join(one["gene"] for one in genes["most_important_missing"])
        lines.append(f"            the most important of them: {named}")
    if genes["importance_missing"] > _MUCH_MISSING:
        lines.append(
            "WARNING     much of what tells types apart is missing: the accuracy above does not "
            "hold for this query"
        )
    return lines


def _novel_lines(novel: dict[str, Any], cells: int) -> list[str]:
    share = novel["cells"] / cells
    lines = [f"novel       {novel['cells']:,} cells ({share:.1%})"]
    if novel["unexplained_genes"]:
        named = ", ".join(one["gene"] for one in novel["unexplained_genes"])
        lines.append(f"            what is not explained in them: {named}")
    if share > _MANY_NOVEL:
        lines.append(
            "WARNING     so many are flagged that another chemistry, batch or species is likelier "
            "than so many cells of new kinds"
        )
    return lines


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"
