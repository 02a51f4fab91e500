"""The pages of a run (answer.html) and of an annotation (typed.html)."""
