"""How many cases are generated: a few whenever tests run, all of them by `make test-faults`."""

import os

from hypothesis import HealthCheck, settings

_COMMON = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "suppress_health_check": [HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
}
settings.register_profile("usual", max_examples=60, **_COMMON)
settings.register_profile("faults", max_examples=1500, **_COMMON)
settings.load_profile("faults" if "LATENTCELL_FAULTS" in os.environ else "usual")
