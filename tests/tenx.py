"""HDF5 files as Cell Ranger writes them."""

import h5py
import numpy as np


def write_10x(path, counts, barcodes, genes, group="matrix"):
    """Write cells x genes, with indices of 64 bits; `genes` has the names of the genes by place."""
    with h5py.File(path, "a") as file:
        target = file.create_group(group)
        target["data"] = counts.data.astype(np.int32)
        target["indices"], target["indptr"] = (
            part.astype(np.int64) for part in (counts.indices, counts.indptr)
        )
        target["shape"] = counts.shape[::-1]
        target["barcodes"] = np.array(barcodes, "S")
        for name, values in genes.items():
            target[name] = np.array(values, "S")
    return path
