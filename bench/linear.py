"""Train the study's classifier on principal components of variable genes.

    LATENTCELL_DATA=<folder of the deposit> python bench/linear.py

Counts are normalised to 10,000 per cell and log1p-transformed. 50 unscaled components of the 2,000
genes with the largest variance are fitted to training cells, for stratified splits 1 to 5.
"""

import numpy as np
import pandas as pd
import scipy.sparse as sp
from cells import study_cells
from sklearn.decomposition import PCA

from latentcell.classify.ffnn import train_ffnn
from latentcell.config.settings import FfnnSettings, SplitSettings
from latentcell.data.split import split_cells


def main() -> None:
    cells = study_cells()
    codes, names = pd.factorize(cells.types, sort=True)
    sums = np.asarray(cells.counts.sum(1)).ravel()
    logged = sp.csr_matrix(sp.diags(1e4 / sums) @ cells.counts)
    logged.data = np.log1p(logged.data)
    rows = []
    for seed in range(1, 6):
        split = np.asarray(split_cells(cells.types, SplitSettings(), seed))
        training = logged[split == "training"]
        square = training.multiply(training).mean(0)
        variance = np.asarray(square).ravel() - np.asarray(training.mean(0)).ravel() ** 2
        dense = logged[:, np.argsort(-variance)[:2000]].toarray()
        model = PCA(50, random_state=0).fit(dense[split == "training"])
        scores = model.transform(dense).astype(np.float32)
        result = train_ffnn(scores, codes, split, list(map(str, names)), FfnnSettings(), seed=seed)
        right = result.probabilities.argmax(1) == codes
        rows.append({part: right[split == part].mean() for part in ("validation", "test")})
        print(seed, rows[-1], flush=True)
    print(pd.DataFrame(rows).mean().round(3).to_string())


if __name__ == "__main__":
    main()
