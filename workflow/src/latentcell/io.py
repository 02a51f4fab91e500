"""Writing result files whole or not at all, and always with the same bytes."""

import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import anndata
    import pandas

# Enough digits to tell two float32 apart, few enough to be read.
FLOAT_FORMAT = "%.9g"


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` that takes its place when the block ends well.

    A killed or failing writer leaves nothing under the final name.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.stem}-", suffix=target.suffix
    )
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | Path, text: str) -> None:
    """Write UTF-8 text atomically."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: str | Path, value: Any) -> None:
    """Write JSON atomically, readable and with NaN refused (it is no JSON)."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: str | Path) -> Any:
    """Read a JSON file."""
    return json.loads(Path(path).read_text(encoding="utf-8"))


def write_csv(path: str | Path, frame: "pandas.DataFrame") -> None:
    """Write a table atomically, without its index, floats to nine significant digits."""
    with atomic(path) as temporary:
        frame.to_csv(temporary, index=False, float_format=FLOAT_FORMAT, lineterminator="\n")


def read_cell_table(path: str | Path) -> "pandas.DataFrame":
    """Read a table of cells with a column ``barcode``; names such as 001 and NA stay."""
    import pandas as pd

    return pd.read_csv(path, dtype={"barcode": str}, na_filter=False)


def write_h5ad(path: str | Path, adata: "anndata.AnnData") -> None:
    """Write an AnnData file atomically, compressed."""
    with atomic(path) as temporary:
        adata.write_h5ad(temporary, compression="gzip", compression_opts=1)
