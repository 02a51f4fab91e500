"""Whether a generative model helps where the types of few cells are known."""
