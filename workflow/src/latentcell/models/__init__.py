"""Generative models of counts: the GMVAE and the VAE, their likelihoods, engine and training."""
