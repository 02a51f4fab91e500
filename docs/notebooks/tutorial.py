# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # latentcell in a notebook
#
# A GMVAE of 700 cells that come with scanpy, its latents and clusters in scanpy's plots, and types
# for cells without one. Jupyter (with jupytext) and VS Code open this file as a notebook;
# `python tutorial.py` runs it as a script.

# %%
import numpy as np
import scanpy as sc

import latentcell as lc

# %% [markdown]
# ## Cells
#
# Models take raw counts (whole numbers), from `X` or from a layer.

# %%
cells = lc.datasets.pbmc68k_sample()
print(cells)

# %% [markdown]
# ## Train a GMVAE
#
# `lc.tl.gmvae` adds the latents, the clusters and a description to the cells. The mixture has as
# many components as there are types in `labels_key`; the types themselves are not used. Thirty
# epochs are enough for a first look; the default is up to a hundred, with early stopping.

# %%
lc.tl.gmvae(cells, labels_key="cell_type", epochs=30, seed=1)
print(cells.obsm["X_gmvae"].shape)
print(cells.obs["gmvae_cluster"].value_counts())
print(cells.uns["gmvae"]["elbo"])

# %% [markdown]
# The latents are a representation like any other to scanpy.

# %%
sc.pp.neighbors(cells, use_rep="X_gmvae")
sc.tl.umap(cells)
sc.pl.umap(cells, color=["cell_type", "gmvae_cluster"], wspace=0.6, show=False)

# %% [markdown]
# ## The model itself
#
# `lc.GMVAE` gives more: the bound of each cell, expected expression, results of other cells, and a
# file. Its settings are those of section `vae` of the configuration.

# %%
held_out = np.arange(cells.n_obs) % 7 == 0
reference, query = cells[~held_out].copy(), cells[held_out].copy()
model = lc.GMVAE(reference, components=8, latent_dim=5, epochs=20, seed=1).train()
print(model)
print(model.history.tail(2))

# %%
latent = model.get_latent_representation(query)
elbo = model.get_elbo(query)
expression = model.get_normalized_expression(query, library_size=1e4)
print(latent.shape, elbo, expression.shape)

# %%
model.save("gmvae.safetensors", overwrite=True)
again = lc.GMVAE.load("gmvae.safetensors")
print(bool((again.get_latent_representation(query) == latent).all()))

# %% [markdown]
# ## Types for cells without one
#
# `lc.tl.annotate` trains on the reference and adds types to the query. Without `density=False` it
# also trains a GMVAE that flags cells of unknown types.

# %%
query.obs = query.obs.rename(columns={"cell_type": "true_type"})
lc.tl.annotate(query, reference=reference, label_key="cell_type", density=False)
print(query.obs[["cell_type", "cell_type_probability"]].head())
print((query.obs["cell_type_first"].astype(str) == query.obs["true_type"].astype(str)).mean())

# %%
lc.pl.confusion(query, "true_type", "cell_type_first")
