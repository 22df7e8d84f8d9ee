from __future__ import annotations

from hypothesis import HealthCheck, settings

# A busy machine must not fail a property; how long things take is for the benchmarks.
settings.register_profile("model", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("model")
