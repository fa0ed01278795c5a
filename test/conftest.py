"""What holds for all tests: hypothesis tries the same examples each time.

What it might find by chance belongs into a search, not into the check of somebody's change:
`pytest --hypothesis-profile=search test/unit`, and `make soak`.
"""

from hypothesis import HealthCheck, settings

_PATIENT = (HealthCheck.too_slow,)
"""A busy machine is no fault of a test's."""

settings.register_profile("search", deadline=None, suppress_health_check=_PATIENT)
settings.register_profile("repeat", deadline=None, suppress_health_check=_PATIENT, derandomize=True)
settings.load_profile("repeat")
