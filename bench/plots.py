"""Draw the figures of docs/engine.md and docs/benchmarks.md from docs/results/*.csv.

python bench/plots.py
"""

from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle

mpl.use("svg")
mpl.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "latentcell", "font.size": 9})
DOCS = Path(__file__).parents[1] / "docs"
# Colours of Okabe and Ito, distinct for all kinds of colour vision.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#E69F00", "#009E73", "#999999"


def save(figure: plt.Figure, name: str) -> None:
    figure.savefig(DOCS / f"images/{name}.svg", metadata={"Date": None}, bbox_inches="tight")
    plt.close(figure)


def blocks() -> None:
    """Draw the data flow of one block of the engine."""
    figure, axes = plt.subplots(figsize=(7.8, 2.9))
    axes.set(xlim=(0, 112), ylim=(0, 44))
    axes.axis("off")

    def box(x: float, y: float, width: float, height: float, color: str, text: str) -> None:
        axes.add_patch(Rectangle((x, y), width, height, facecolor=color, edgecolor="black", lw=0.8))
        axes.text(x + width / 2, y + height / 2, text, ha="center", va="center", size=8)

    box(2, 8, 9, 20, "#D6E8F4", "hidden\nR × H")
    axes.text(13.5, 18, "×", ha="center", va="center", fontsize=14)
    for index in range(6):
        color = ORANGE if index == 2 else "#F5E6C8"
        box(17 + 7 * index, 30, 7, 9, color, "W\nblock" if index == 2 else "")
        color = GREEN if index == 2 else "white"
        box(17 + 7 * index, 8, 7, 20, color, "R ×\nwidth" if index == 2 else "")
    axes.text(38, 41, "weights of the last layer, genes →", ha="center")
    axes.text(38, 3, "outputs: only one block of genes exists, in the cache", ha="center")
    axes.annotate("", (67, 18), (60, 18), arrowprops={"arrowstyle": "->"})
    box(68, 30, 43, 9, "#D6E8F4", "log P(0), and log P(x) − log P(0)\nat the non-zero counts")
    box(68, 19, 43, 9, "#CDE8DF", "derivatives in the block's place")
    box(68, 8, 43, 9, "#F5E6C8", "gradients: W block, bias, hidden")
    save(figure, "engine-blocks")


def faithful() -> None:
    """Draw the validation ELBO of the preset `scvae` and of scVAE."""
    table = pd.read_csv(DOCS / "results/faithful.csv")
    figure, axes = plt.subplots(figsize=(5.2, 3.2))
    for index, (seed, part) in enumerate(table.groupby("seed")):
        label = f"latentcell, preset scvae, seeds 1-{table['seed'].max()}" if index == 0 else None
        axes.plot(part["epoch"], part["elbo"], color=BLUE, lw=1, alpha=0.8, label=label)
        del seed
    one = table[table["seed"] == table["seed"].min()]
    axes.plot(one["epoch"], one["scvae"], "o", color=ORANGE, ms=5, label="scVAE itself, one run")
    axes.set(xlabel="epoch", ylabel="validation ELBO (nats per cell)")
    axes.legend(frameon=False)
    save(figure, "faithful")


def seconds() -> None:
    """Draw the seconds per epoch by implementation and shape."""
    path = DOCS / "results/engine.csv"
    if not path.exists():
        return
    table = pd.read_csv(path)
    table = table[(table["device"] == "cpu") & (table["cells"] == 1300)]
    sizes = table[["latent_dim", "hidden_units"]].drop_duplicates().sort_values("hidden_units")
    shapes = [f"({z}, {h})" for z, h in sizes.itertuples(index=False)]
    colors = {"plain": GREY, "exact": ORANGE, "fast": BLUE, "scvi": GREEN}
    figure, axes = plt.subplots(figsize=(5.8, 3.0))
    names = [name for name in colors if name in set(table["implementation"])]
    for index, name in enumerate(names):
        part = table[table["implementation"] == name].sort_values("hidden_units")
        places = [place + 0.2 * (index - (len(names) - 1) / 2) for place in range(len(part))]
        bars = axes.bar(places, part["seconds_per_epoch"], 0.18, color=colors[name], label=name)
        axes.bar_label(bars, fmt="%.1f", fontsize=7)
    axes.set_yscale("log")
    axes.set_xticks(range(len(shapes)), shapes)
    axes.set(xlabel="(Z, H)", ylabel="seconds an epoch, training part")
    axes.legend(frameon=False, ncols=4, loc="upper left")
    axes.set_ylim(top=axes.get_ylim()[1] * 3)
    save(figure, "engine-seconds")


if __name__ == "__main__":
    blocks()
    faithful()
    seconds()
