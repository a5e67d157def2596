"""Tables of one column: Zarr takes a second to write some 75 small arrays of a whole one."""

import pytest

from postseg.elements import build
from postseg.elements.audit import KEY


def light_tables(monkeypatch):
    """Leave out of each table what no reader needs to find its cells: measures and the audit.

    What stays of the audit are the shapes by which `verify` knows how large a mask pixel is.

    For tests of where and when stores are written. What is in them is seen with whole tables.
    """
    whole = build.table_element

    def table_element(obs, obsm, region, instance_key, uns=None, X=None, var=None):
        packed = (uns or {}).get(KEY, {})
        shapes = {name: packed[name] for name in ("mask_shape", "image_shape") if name in packed}
        few = {KEY: shapes} if shapes else None
        return whole(obs[[instance_key]], obsm, region, instance_key, few)

    monkeypatch.setattr(build, "table_element", table_element)


@pytest.fixture(autouse=True)
def light(request, monkeypatch):
    """Light tables for all tests of a module that imports it, but for those that take `whole`."""
    if "whole" not in request.fixturenames:
        light_tables(monkeypatch)


@pytest.fixture
def whole():
    """For a test with whole tables."""
