"""How many label images are drawn for the tests of outlines, and which outlines lose nothing."""

import pytest
from hypothesis import HealthCheck, settings
from sampling import ALL

examples = settings(
    max_examples=400 if ALL else 20, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
both = pytest.mark.parametrize("outline", ["pixels", "simplified"])
