"""Trainings as parts of a job: what each reads, what it writes, and what it depends on."""
