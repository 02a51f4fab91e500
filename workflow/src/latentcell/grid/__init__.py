"""Grid of trainings: data set x subset x replicate x representation x classifier."""
