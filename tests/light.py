"""Tables of one column: Zarr takes a second to write some 75 small arrays of a whole one."""

import pytest

from postseg.elements import build


def light_tables(monkeypatch):
    """Leave out of each table what no reader needs to find its cells: measures and the audit.

    For tests of where and when stores are written. What is in them is seen with whole tables.
    """
    whole = build.table_element

    def table_element(obs, obsm, region, instance_key, uns=None, X=None, var=None):
        return whole(obs[[instance_key]], obsm, region, instance_key)

    monkeypatch.setattr(build, "table_element", table_element)


@pytest.fixture(autouse=True)
def light(request, monkeypatch):
    """Light tables for all tests of a module that imports it, but for those that take `whole`."""
    if "whole" not in request.fixturenames:
        light_tables(monkeypatch)


@pytest.fixture
def whole():
    """For a test with whole tables."""
