"""Reports of training and annotation as lines of text."""

from typing import Any

from latentcell.annotate.alignment import FEWEST
from latentcell.annotate.annotator import Annotator
from latentcell.annotate.apply import UNASSIGNED, Annotation
from latentcell.annotate.reasons import FEW_COUNTS, FEW_KNOWN_GENES, LOW_PROBABILITY, NOVEL

# Importance of missing genes, and share of flagged cells, above which a report warns.
_MUCH_MISSING, _MANY_NOVEL = 0.1, 0.2


def reference_lines(annotator: Annotator) -> list[str]:
    """Report the scores on held-out cells of the reference."""
    about, classifier = annotator.reference, annotator.classifier
    cells, test = about["cells"], about["test"]
    lines = [
        f"reference   {about['dataset']}: {len(classifier.types)} types, {cells['training']:,} "
        f"training, {cells['validation']:,} validation and {cells['test']:,} test cells",
        _classifier_line(annotator),
        f"on test     accuracy {_number(test['accuracy'])}, balanced "
        f"{_number(test['balanced_accuracy'])}, macro-F1 {_number(test['macro_f1'])}",
        f"calibrated  expected calibration error {_number(test['calibration_error_before'])} "
        f"before, {_number(test['calibration_error_after'])} after",
        _evidence_line(about["evidence"]),
        f"threshold   {classifier.threshold:.3f}: at most "
        f"{annotator.settings.unassigned_share:.0%} of the correctly annotated validation cells "
        f"are below; {_share(test['assigned'])} of the test cells are assigned, "
        f"{_share(test['accuracy_assigned'])} of them correctly",
    ]
    lines += _widening_lines(about["widening"])
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
            f"note        fewer than 5 training cells, so rarely predicted: {', '.join(rare)}"
        )
    return lines


def _widening_lines(widening: dict[str, Any]) -> list[str]:
    """Report how sure types are in batches that were left out."""
    if not widening["batches"]:
        return []
    return [
        f"batches     {widening['batches']} left out in turn: accuracy "
        f"{_number(widening['accuracy'])}, with --align {_number(widening['accuracy_aligned'])}; "
        f"their probabilities need the temperature {widening['temperature']:.2f}"
    ]


def _classifier_line(annotator: Annotator) -> str:
    """Report the classifier and its score; the candidates are in `candidate_lines`."""
    classifier = annotator.classifier
    if len(classifier.candidates) < 2:
        return f"classifier  {classifier.name}"
    own = next(row for row in classifier.candidates if row["name"] == classifier.name)
    return (
        f"classifier  {how_combined(annotator)}: accuracy {_number(own['accuracy'])}, macro-F1 "
        f"{_number(own['macro_f1'])}"
    )


def how_combined(annotator: Annotator) -> str:
    """Name the experts with their weights and say where these come from."""
    classifier = annotator.classifier
    if len(classifier.candidates) < 2:
        return f"{classifier.name}, without a comparison"
    if len(classifier.experts) == 1:
        number = len(classifier.candidates)
        return f"{classifier.name}, the best of {number} by log loss on {classifier.chosen_by}"
    named = " + ".join(f"{one.weight:.2f} {one.name}" for one in classifier.experts)
    way = "weights learnt" if annotator.settings.combine == "learnt" else "equal weights, scored"
    return f"{named}, {way} on {classifier.chosen_by}"


def candidate_lines(annotator: Annotator) -> list[str]:
    """Report the score of each candidate, and its seconds if it has just been trained."""
    classifier = annotator.classifier
    if len(classifier.candidates) < 2:
        return []
    width = max(len(row["name"]) for row in classifier.candidates)
    lines = [
        f"candidates  {'':<{width}}  accuracy  macro-F1" + "  seconds" * bool(classifier.seconds)
    ]
    for row in classifier.candidates:
        line = f"            {row['name']:<{width}} {_number(row['accuracy']):>9}"
        line += f" {_number(row['macro_f1']):>9}"
        if row["name"] in classifier.seconds:
            line += f" {classifier.seconds[row['name']]:>8.1f}"
        lines.append(line)
    return lines


def query_lines(found: Annotation) -> list[str]:
    """Report the cell types of the query and its missing genes."""
    report = found.report
    lines = [f"query       {report['cells']:,} cells", *_gene_lines(report["genes"])]
    if "name" in report["unassigned"]:
        lines.append(
            f"note        a type of the reference is called {UNASSIGNED}: cells without a type are "
            f"called {report['unassigned']['name']}"
        )
    if report["empty_cells"]:
        lines.append(
            f"note        {report['empty_cells']:,} cells have no counts in genes in common: "
            "unassigned"
        )
    width = max(len(name) for name in report["types"])
    lines += ["types"] + [
        f"            {name:<{width}} {number:>9,} {number / report['cells']:7.1%}"
        for name, number in report["types"].items()
        if number
    ]
    lines += _unassigned_lines(report)
    lines += _consensus_lines(report)
    if "novel" in report:
        lines += _novel_lines(report["novel"], report["cells"])
    return lines + _aligned_lines(report) + bulk_lines(report)


def _gene_lines(genes: dict[str, Any]) -> list[str]:
    lines = [
        f"genes       {genes['matched']:,} of the reference's {genes['reference']:,} found, by "
        f"{genes['matched_by']}; missing: {genes['missing']:,} with {genes['counts_missing']:.1%} "
        f"of its counts, among them {genes['variable_missing']:,} of {genes['variable']:,} "
        f"that tell the types apart ({genes['variable_missing_share']:.1%}, "
        f"{genes['importance_missing']:.1%} by importance)"
    ]
    if genes["most_important_missing"]:
        named = ", ".join(one["gene"] for one in genes["most_important_missing"])
        lines.append(f"            the most important of them: {named}")
    if genes["importance_missing"] > _MUCH_MISSING:
        lines.append(
            "WARNING     genes that distinguish the types are missing: the accuracy above does not "
            "hold for this query"
        )
    return lines


def _evidence_line(needs: dict[str, Any]) -> str:
    counts = needs["counts_needed"]
    enough = "more than they have" if counts is None else f"{counts:,.0f} counts of a cell"
    return (
        f"evidence    accuracy {_number(needs['accuracy_whole'])} of whole validation cells, "
        f"{_number(needs['commonest_type'])} by naming the most frequent type; "
        f"{_number(needs['accuracy_needed'])} needs {enough}"
    )


def _unassigned_lines(report: dict[str, Any]) -> list[str]:
    """Report how many cells have no type, for each reason."""
    unassigned = report["unassigned"]
    if not unassigned["cells"]:
        return []
    counts = unassigned["counts_needed"]
    detail = {
        FEW_COUNTS: "fewer than a type needs"
        if counts is None
        else f"fewer than {counts:,.0f} in genes in common",
        FEW_KNOWN_GENES: "enough counts, but not in genes of the reference",
        LOW_PROBABILITY: f"below {unassigned['threshold']:.3f}",
        NOVEL: "not like the reference",
    }
    lines = [f"unassigned  {unassigned['cells']:,} of {report['cells']:,} cells"]
    return lines + [
        f"            {reason:<16} {number:>9,} {number / report['cells']:7.1%}  {detail[reason]}"
        for reason, number in unassigned["reasons"].items()
        if number
    ]


def _consensus_lines(report: dict[str, Any]) -> list[str]:
    """Report the restriction of types, the consensus of neighbours and the types known before."""
    lines = []
    if "restricted_to" in report:
        lines.append(f"restricted  to the types {', '.join(report['restricted_to'])}")
    if "consensus" in report:
        found = report["consensus"]
        lines.append(
            f"consensus   {found['clusters']:,} clusters of neighbours; their most frequent "
            f"type differs from the most probable type of {found['changed']:,} cells"
        )
    if "known" in report:
        known = report["known"]
        lines.append(
            f"known       {known['cells']:,} cells keep the type that they had; the classifier "
            f"names {_share(known['named_alike'])} of the {known['of_types_of_reference']:,} with "
            "types of the reference alike"
        )
    return lines


def _novel_lines(novel: dict[str, Any], cells: int) -> list[str]:
    share = novel["cells"] / cells
    lines = [f"novel       {novel['cells']:,} cells ({share:.1%})"]
    if novel["unexplained_genes"]:
        named = ", ".join(one["gene"] for one in novel["unexplained_genes"])
        lines.append(f"            most unexplained genes: {named}")
    if share > _MANY_NOVEL:
        lines.append(
            "WARNING     so many flagged cells suggest another chemistry, batch or species rather "
            "than new cell types"
        )
    return lines


_MEASURES = {
    "counts": "{query:,.0f} counts a cell against {reference:,.0f}",
    "genes": "{query:,.0f} detected genes against {reference:,.0f}",
    "nats": "{query:,.1f} unexplained nats against {reference:,.1f}",
    "distance": "distance {query:.3g} to the nearest reference cells against {reference:.3g}",
}


def bulk_lines(report: dict[str, Any]) -> list[str]:
    """Say in one sentence how the query as a whole differs, and that probabilities are widened."""
    bulk, widening = report["bulk"], report["widening"]
    if not bulk["differs"]:
        return []
    found = ", ".join(_MEASURES[name].format(**bulk[name]) for name in _MEASURES if name in bulk)
    lines = [
        "WARNING     the query as a whole differs from held-out cells of the reference (medians: "
        f"{found}): types may be less sure than their probabilities, and novel means relative to "
        "the bulk of the query"
    ]
    if widening["temperature"] > 1:
        by = (
            f"measured on {widening['batches']} left-out batches of the reference"
            if widening["batches"]
            else "the setting annotate.widening, as the reference has no batches to measure it"
        )
        lines.append(
            f"widened     probabilities are widened by the temperature "
            f"{widening['temperature']:.2f}, {by}"
        )
    return lines


def _aligned_lines(report: dict[str, Any]) -> list[str]:
    """Report the alignment to the reference."""
    if "aligned" not in report:
        return []
    number = report["aligned"]["cells"]
    if not number:
        return [
            f"aligned     no cells: query and held-out cells of the reference need {FEWEST} each"
        ]
    return [f"aligned     {number:,} cells to held-out cells of the reference, by Harmony"]


def _number(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1%}"
