"""Does a learnt latent representation make cell-type classification better, and by how much?"""

__version__ = "0.1.0"
