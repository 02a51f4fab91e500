"""The functions for notebooks: ``latentcell.GMVAE``, ``tl``, ``pl`` and ``datasets``."""
