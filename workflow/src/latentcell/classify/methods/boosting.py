"""Gradient-boosted trees by LightGBM; number and size of the trees are chosen on validation cells.

Histogram boosting of scikit-learn needs dense features and takes twenty times as long on thousands
of genes. LightGBM is an optional dependency.
"""

from latentcell.classify.choosing import Predict, choose, probabilities
from latentcell.config.fitting import Fitted, Labelled, Options

TAKES = ("log", "scores")
USES = ("lightgbm",)
_TREES = 500
_PATIENCE = 20
_LEAVES = (7, 31)


def fit(training: Labelled, validation: Labelled, options: Options) -> Fitted:
    """See `latentcell.config.fitting`."""
    import lightgbm

    def learn(leaves: int) -> Predict:
        watched = {}
        if len(validation.codes):
            stopping = lightgbm.early_stopping(_PATIENCE, verbose=False)
            watched = {"eval_X": validation.features, "eval_y": validation.codes}
            watched |= {"eval_metric": "multi_logloss", "callbacks": [stopping]}
        estimator = lightgbm.LGBMClassifier(
            n_estimators=_TREES,
            learning_rate=0.05,
            num_leaves=leaves,
            min_child_samples=10,
            colsample_bytree=0.3,
            random_state=options.seed,
            deterministic=True,
            force_row_wise=True,
            n_jobs=1,
            verbose=-1,
        )
        return probabilities(estimator.fit(training.features, training.codes, **watched))

    return choose([{"leaves": leaves} for leaves in _LEAVES], learn, validation)
