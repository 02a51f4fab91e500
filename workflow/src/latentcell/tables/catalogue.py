"""Catalogue of tables: titles, captions, notes and required records.

Rules read the catalogue at parse time, so this module does not import pandas. The functions that
build the tables are in `latentcell.tables.builders`.
"""

from collections.abc import Callable
from functools import partial

from latentcell.config.names import input_title
from latentcell.config.protocols import PROTOCOLS
from latentcell.config.settings import Settings
from latentcell.grid.variants import STUDY_CLASSIFIER
from latentcell.runtime.errors import InputError
from latentcell.study.published import STUDY
from latentcell.tables.entry import (
    TableEntry,
    has_class_contrasts,
    has_contrasts,
    has_deposit,
    has_several_methods,
    hidden_unit_pairs,
)
from latentcell.tables.headings import Heading, method_title

# Names of records, tables and other files from which tables are built.
NEEDS = (
    *("models", "model_curves", "classifiers", "classes", "curves", "variance", "costs"),
    *("class_counts", "quality"),
    *("predictions", "deposit", "table5_deposit"),
)


def table_entry(name: str) -> TableEntry:
    """Look up a table; raises `InputError` for an unknown name."""
    if name not in TABLES:
        raise InputError(f"expected a table among {', '.join(TABLES)}, found {name}")
    return TABLES[name]


def table_names(settings: Settings) -> list[str]:
    """Names of the tables of a run."""
    return [name for name, entry in TABLES.items() if entry.is_wanted(settings)]


def is_compared(settings: Settings) -> bool:
    """Whether a run has variants that differ by protocol, confounder or training cells."""
    asked = settings.comparison
    protocols = set(asked.protocols) - {settings.protocol}
    return bool(protocols or asked.ablations or asked.training_cells)


def _asks_for(protocol: str) -> Callable[[Settings], bool]:
    return lambda settings: protocol in settings.comparison.protocols


def has_study_classifier(settings: Settings) -> bool:
    """Whether a run has the study's classifier."""
    return STUDY_CLASSIFIER in settings.grid.classifiers


COUNTED = (
    "Macro-F1 and balanced accuracy leave out types with fewer cells in the subset than "
    "`measures.min_cells`."
)
_INTERVALS = "Means on test cells with 95 % intervals over replicates (corrected resampled t-test)."
_MODEL_MEASURES = (
    "evidence lower bound (ELBO) and its terms, agreement of clusters with cell types (adjusted "
    "Rand index, adjusted mutual information, accuracy), silhouette and number of mixture "
    "components in use, on test cells. Mean and sample standard deviation over replicates. Compare "
    "published values with the ELBO as scVAE reports it: scVAE's means are too low if the number "
    "of cells is not a multiple of the minibatch size."
)
# Measures in CSV and Markdown for which a LaTeX page has no room.
_LONG = (
    *("elbo_se", "elbo_per_umi", "given_count_sum", "enre", "kl_z", "kl_y", "ami_clusters"),
    *("silhouette_clusters", "accuracy"),
)
_STUDYS_WORDS = {"input": Heading("Input")}

_QUALITY_HEADINGS = {
    "nmi": Heading("NMI"),
    "ari": Heading("ARI"),
    "silhouette": Heading("Silhouette"),
    "test_nmi": Heading("NMI, test"),
    "test_ari": Heading("ARI, test"),
    "test_silhouette": Heading("Silhouette, test"),
    "clusters": Heading("Clusters", 1),
    "perplexity": Heading("Perplexity of q(y)", 2),
    "mutual_information": Heading("Mutual information"),
    "components_above_half": Heading("Components above half", 1),
}

_STUDY_TABLES = (
    TableEntry(
        name="table3",
        title="Generative models on the first subset",
        caption=f"All generative models of the grid on the first subset: {_MODEL_MEASURES}",
        needs=("models",),
        not_in_latex=_LONG,
    ),
    TableEntry(
        name="table4",
        title="Chosen generative models on the other subsets",
        caption="Chosen generative models on the other subsets, with the measures of Table 3. "
        "Empty for runs with one subset.",
        needs=("models",),
        not_in_latex=_LONG,
        empty="No models: the run has one subset.",
    ),
    TableEntry(
        name="table5",
        title="Test accuracy of the classifier by input",
        caption="Test accuracy, balanced accuracy and macro-F1 of the study's classifier on raw "
        "counts, principal components, other representations and latents. Mean and sample standard "
        "deviation over replicates. Published accuracies are from one run each, on different test "
        "sets of 26 to 300 cells.",
        needs=("classifiers",),
        remarks=(COUNTED,),
        is_wanted=has_study_classifier,
        headings=_STUDYS_WORDS,
    ),
    TableEntry(
        name="pca_variance",
        title="Cumulative variance explained by principal components",
        caption="Cumulative variance of the standardised counts explained by the first k principal "
        "components, of the cells that they were fitted on and of test cells. Mean over replicates "
        "on the first subset.",
        needs=("variance",),
        remarks=("Mean over replicates on the first subset.",),
        is_wanted=lambda settings: bool(settings.pca_components()),
    ),
    TableEntry(
        name="table5_deposit",
        title="Test accuracy of the classifier on the study's deposited data",
        caption="Table 5 of the study on the authors' own latents, PCA scores and raw counts, with "
        "the classifier as run by the authors (softmax applied twice, cells in file order, last "
        "incomplete minibatch dropped, weights of the last epoch). Replicates differ in split and "
        "initial weights. The percentile is the position of the published run among the "
        "replicates.",
        needs=("deposit",),
        remarks=("Macro-F1 and balanced accuracy are over all types.",),
        is_wanted=lambda settings: has_deposit(settings) and is_compared(settings),
        datasets=lambda _: [STUDY],
        headings=_STUDYS_WORDS
        | {
            "accuracy_low": Heading("Accuracy, 2.5th percentile"),
            "accuracy_high": Heading("Accuracy, 97.5th percentile"),
        },
    ),
    TableEntry(
        name="leaderboard",
        title="Representations and classifiers, ranked by test accuracy",
        caption="All combinations of representations and classifiers, ranked by test accuracy: "
        "accuracy, macro-F1 and balanced accuracy on test cells with 95 % intervals over "
        "replicates, and cost of training.",
        needs=("classifiers", "costs"),
        remarks=(
            "Sorted by accuracy on test cells. The first ranks are partly due to chance; P(best) "
            "takes this into account.",
            COUNTED,
        ),
        is_wanted=lambda settings: len(settings.grid.classifiers) > 1,
        not_in_latex=("balanced_accuracy_merged", "macro_f1_merged"),
    ),
)
_PAIRED = {"first": Heading("Representation", words=input_title)} | {
    "second": Heading("Against", words=input_title),
    **{
        f"{kind}_{side}_better": Heading(f"{prefix}P({word})")
        for kind, prefix in (("probability", ""), ("signed_rank", "Signed rank, "))
        for side, word in (("first", "better"), ("second", "worse"))
    },
}
_MERGED_LEVEL = (
    "Level: measures of all types, or of types merged by `coarse_types` of the data set."
)
_CONTRAST_TABLES = (
    TableEntry(
        name="contrasts",
        title="Differences to raw counts and principal components",
        caption="Differences in accuracy, balanced accuracy and macro-F1 on test cells between "
        "each representation and raw counts, and between each representation and principal "
        "components, under the same classifier, with 95 % intervals and the probabilities of a "
        "better, equal or worse representation. Pairs do not depend on results.",
        needs=("classifiers",),
        remarks=(
            "Difference: representation minus baseline, with its 95 % interval over replicates "
            "(corrected resampled t-test). Probabilities: Bayesian correlated t-test (Benavoli et "
            "al. 2017). Equal: within `comparison.rope`.",
            f"{COUNTED} {_MERGED_LEVEL}",
        ),
        category="Comparison",
        is_wanted=has_contrasts,
        headings=_PAIRED,
        not_in_latex=("standard_error", "paired", "note"),
    ),
    TableEntry(
        name="class_contrasts",
        title="Differences in F1 by cell type",
        caption="Differences in F1 on test cells between the latents of "
        "comparison.ablation_model and raw counts, and between these latents and principal "
        "components, for each cell type, with 95 % intervals over replicates and p values "
        "corrected for the number of types (Holm).",
        needs=("classes", "classifiers"),
        remarks=(
            "Difference: representation minus baseline, with its 95 % interval over replicates "
            "(corrected resampled t-test), not corrected for the number of types. p (Holm) is "
            "corrected for the types of each pair. Types with fewer cells in the subset than "
            "`measures.min_cells` are left out.",
        ),
        category="Comparison",
        is_wanted=has_class_contrasts,
        headings=_PAIRED,
    ),
    TableEntry(
        name="over_datasets",
        title="Differences to raw counts and principal components, over data sets",
        caption="Mean differences of the contrasts over the data sets of the run that share no "
        "cells, with 95 % intervals and probabilities (random-effects meta-analysis), and "
        "probabilities of the Bayesian signed-rank test.",
        needs=("classifiers",),
        remarks=(
            "Difference: mean over data sets by a random-effects meta-analysis (Paule and "
            "Mandel), with its 95 % interval (Hartung and Knapp, scale at least 1); probabilities "
            "from the same t distribution. With two or three data sets the interval is wide, "
            "since it is an interval of the mean over all similar data sets.",
            "Signed rank: Bayesian signed-rank test on the mean differences (Benavoli et al. "
            "2014), which treats them as exact; a few data sets that agree already give high "
            "probabilities.",
        ),
        category="Comparison",
        is_wanted=lambda settings: (
            has_contrasts(settings) and sum(not one.is_derived for one in settings.datasets) > 1
        ),
        across=True,
        headings=_PAIRED,
        not_in_latex=("note",),
        empty="No contrast has two data sets.",
    ),
    TableEntry(
        name="latent_gains",
        title="Methods with a learnt latent against the best method without one",
        caption="Differences in accuracy, balanced accuracy and macro-F1 on test cells between "
        "each method with a learnt latent and the best method without one, chosen by accuracy on "
        "validation cells, with 95 % intervals and the probabilities of a better, equal or worse "
        "method.",
        needs=("classifiers",),
        remarks=(
            "Against: the method with the highest mean accuracy on validation cells among those "
            "without a learnt latent. Chosen: the same among those with one. The first by name "
            "wins a tie. Label rules take no part. Difference: with its 95 % interval over "
            "replicates (corrected resampled t-test). Probabilities: Bayesian correlated t-test "
            "(Benavoli et al. 2017). Equal: within `comparison.rope`.",
            COUNTED,
        ),
        category="Comparison",
        is_wanted=has_several_methods,
        headings=_PAIRED
        | {"first": Heading("Method", words=method_title)}
        | {"chosen": Heading("Chosen")}
        | {"second": Heading("Against", words=method_title)}
        | {"own": Heading("Mean"), "opponent": Heading("Mean of the other")},
        not_in_latex=("standard_error", "paired", "note"),
        empty="The grid has no method with a latent, or no method without one.",
    ),
    TableEntry(
        name="hidden_units",
        title="Differences between numbers of hidden units",
        caption="Differences between generative models that differ in their number of hidden "
        "units alone: ELBO (nats per cell), adjusted Rand index and accuracy of the clusters on "
        "test cells, each minus the value with the fewest hidden units. Means with 95 % intervals "
        "over replicates.",
        needs=("models",),
        remarks=(
            "Paired over replicates, each with its own subset, split and initialisation; corrected "
            "resampled t intervals. Rand index and accuracy compare the clusters of the models "
            "with the types.",
        ),
        is_wanted=lambda settings: bool(hidden_unit_pairs(settings)),
        headings={
            "against": Heading("Minus that of H", 0),
            "elbo": Heading("ELBO", 1),
            "ari_clusters": Heading("Adjusted Rand index"),
        },
    ),
    TableEntry(
        name="latents",
        title="Quality of representations",
        caption="Quality of each dense representation: agreement of Leiden clusters with the types "
        "(NMI, adjusted Rand index) and silhouette of the types, on all cells and on test cells "
        "alone, and the test accuracy of a classifier. Means with 95 % intervals over "
        "replicates.",
        needs=("quality", "models", "classifiers"),
        remarks=(
            "Leiden clusters of the graph of 15 nearest neighbours, at the resolution among 0.1, "
            "0.2, ..., 2.0 with the highest NMI. This choice uses the types, as scIB does. Test: "
            "graph and clusters of the test cells alone. With more than 10,000 cells, a fixed "
            "sample of 10,000 is measured.",
            "Perplexity of the mean of q(y given x), mutual information of x and y (nats) and "
            "number of components with q(y given x) above one half in at least 1 % of the cells "
            "are those of GMVAEs on test cells.",
            "Accuracy is that of `ffnn` or, without `ffnn`, of the first classifier of the grid. "
            "Intervals are corrected resampled t intervals over replicates.",
        ),
        is_wanted=lambda settings: settings.grid.quality > 0,
        headings=_QUALITY_HEADINGS,
        not_in_latex=("test_", "clusters", "perplexity", "mutual_", "components_above"),
    ),
)
_compared = partial(TableEntry, category="Comparison", is_wanted=is_compared)
_COMPARISON_TABLES = (
    _compared(
        name="protocols",
        title="Accuracy by input under the three protocols",
        caption="Test accuracy of the classifier on each input under three protocols: the study as "
        "run, the study as stated, and the controlled protocol. Means with 95 % intervals over "
        "replicates, and published accuracies.",
        needs=("classifiers",),
        remarks=(_INTERVALS,),
    ),
    _compared(
        name="controlled",
        title="Accuracy, balanced accuracy and macro-F1 by input, controlled",
        caption="Accuracy, balanced accuracy and macro-F1 of the classifier on each input under "
        "the controlled protocol. Means with 95 % intervals over replicates.",
        needs=("classifiers",),
        remarks=(_INTERVALS, COUNTED),
    ),
    _compared(
        name="probabilities",
        title="Probability that one input is better than another",
        caption="Probabilities, for each pair of inputs of the controlled comparison, that either "
        "is better or that both are equal in practice (within comparison.rope) in accuracy, "
        "balanced accuracy and macro-F1, by the Bayesian correlated t-test over replicates.",
        needs=("classifiers",),
        remarks=(
            "Bayesian correlated t-test (Benavoli et al. 2017) over replicates. Equal: difference "
            "within the region of practical equivalence (`comparison.rope`). Difference: first "
            "minus second, with its 95 % interval.",
            COUNTED,
        ),
    ),
    _compared(
        name="single_split",
        title="Differences between inputs in a single split",
        caption="Differences between each pair of inputs on the test cells of replicate 1, a "
        "single split as in the study.",
        needs=("predictions",),
        remarks=(
            "Replicate 1 only: McNemar's exact test, and a percentile bootstrap over test cells.",
        ),
    ),
    _compared(
        name="learning_curve",
        title="Accuracy by number of training cells",
        caption="Test accuracy, balanced accuracy and macro-F1 by number of training cells under "
        "the controlled protocol. Means with 95 % intervals over replicates. Validation and test "
        "cells are the same for all numbers.",
        needs=("classifiers",),
        remarks=(
            "Controlled protocol. Validation and test cells are the same for all numbers of "
            "training cells.",
        ),
    ),
    _compared(
        name="ablations",
        title="Effect of each confounder",
        caption="Effect of each confounder of the study, with minus without the confounder: "
        "removed from the protocol as-run, or added to the protocol controlled. Means with 95 % "
        "intervals over replicates, p values adjusted for the number of effects, and the smallest "
        "detectable effects.",
        needs=("classifiers", "models"),
        remarks=(
            "Effect: with minus without the confounder, removed from `as-run` or added to "
            "`controlled`. ELBO in nats per cell, on test cells.",
            COUNTED,
            "Intervals and p are those of each single effect. p (Holm) is adjusted for all "
            "effects from the same base on the same measure. Detectable: the smallest effect that "
            "the same number of replicates with this spread detects with a power of 80 %, at a "
            "level of 5 % divided by the number of these effects (Holm's first step).",
        ),
    ),
    _compared(
        name="choices",
        title="Numbers of hidden units chosen by two rules",
        caption="Number of hidden units for each latent dimension, chosen by the study's rule "
        "(adjusted Rand index on test cells) and by the ELBO on validation cells.",
        needs=("classifiers", "models"),
        remarks=(
            "Both rules choose among the same trained models: the study's rule by the adjusted "
            "Rand index on test cells, the other by the ELBO on validation cells. Means are on "
            "test cells.",
        ),
        headings={"model": Heading("Model", words=input_title)},
    ),
    _compared(
        name="detectable",
        title="Smallest detectable difference by number of test cells",
        caption="Smallest detectable difference in accuracy by number of test cells (two-sided "
        "test at 5 %, power 80 %), with a separate test set for each classifier as in the study, "
        "and with one test set for both.",
        needs=("classifiers", "predictions"),
        remarks=(
            "Two-sided test at 5 %, power 80 %. Independent: a separate test set for each "
            "classifier, as in the study. Paired: the same test cells for both classifiers, with "
            "the share of discordant cells measured in this run.",
        ),
    ),
    _compared(
        name="claims",
        title="Claims of the study",
        caption="Claims of the study, each with its test, the estimate of this run, the verdict "
        "and the confounders.",
        needs=(
            *("classifiers", "models", "model_curves", "curves", "variance", "class_counts"),
            "table5_deposit",
        ),
        remarks=(
            "A claim stands if the intervals of all its contrasts lie within the region of the "
            "claim, and does not stand if one interval lies outside. The table shows the contrast "
            "that decides or, without a decision, the contrast that is farthest from one.",
            "Contrasts are fixed before the run; none is chosen by its result. Intervals of "
            "several contrasts have a joint level of 95 % (Bonferroni).",
            "Claims on classification are decided by accuracy, as in the study. The same test is "
            "also made with balanced accuracy and with macro-F1.",
            "Numbers of confounders refer to docs/study.md.",
        ),
    ),
    TableEntry(
        name="few_labels",
        title="Test accuracy by number of labels",
        caption="Test accuracy, macro-F1 and balanced accuracy by number of labelled training "
        "cells. Means with 95 % intervals over replicates. All methods use the labels of the same "
        "cells.",
        needs=("classifiers",),
        remarks=(
            f"{_INTERVALS} All methods use the labels of the same cells. Differences are to "
            "logistic regression on PCA of variable genes with as many labels, paired if all "
            "inputs have the same split; P is the probability that the method is better by more "
            "than the margin.",
            COUNTED,
        ),
        category="Comparison",
        is_wanted=lambda settings: bool(settings.comparison.labelled_shares),
    ),
    *(
        TableEntry(
            name=f"table3_{protocol}",
            title=f"Generative models on the first subset, {protocol.replace('-', ' ')}",
            caption=f"All generative models of the grid on the first subset under the protocol "
            f"{protocol}: {_MODEL_MEASURES}",
            needs=("models",),
            is_wanted=_asks_for(protocol),
            not_in_latex=_LONG,
        )
        for protocol in PROTOCOLS
    ),
)

TABLES: dict[str, TableEntry] = {
    entry.name: entry for entry in (*_STUDY_TABLES, *_CONTRAST_TABLES, *_COMPARISON_TABLES)
}
