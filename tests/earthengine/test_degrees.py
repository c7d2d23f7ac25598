"""The table of systems in degrees agrees with EPSG's database, and so does what is told from WKT."""

from __future__ import annotations

import pytest
from make_degree_codes import codes_in_degrees
from pyproj import CRS
from pyproj.database import query_crs_info
from pyproj.enums import PJType
from pyproj.exceptions import CRSError

from airflow_provider_ee.earthengine.degrees import is_in_degrees, is_wgs84

IN_GRADS = {4807, 4810, 4811, 4816, 4819, 4821, 4901, 4902}


def codes(*kinds: PJType) -> set[int]:
    return {int(one.code) for one in query_crs_info("EPSG", list(kinds), allow_deprecated=True)}


def told(some: set[int]) -> set[int]:
    return {code for code in some if is_in_degrees(f"EPSG:{code}")}


def test_every_geographic_code_is_in_degrees_but_those_in_grads() -> None:
    geographic = codes(PJType.GEOGRAPHIC_2D_CRS, PJType.GEOGRAPHIC_3D_CRS)
    assert len(geographic) > 800
    assert geographic - told(geographic) == IN_GRADS


def test_no_projected_geocentric_or_vertical_code_is_in_degrees() -> None:
    others = codes(PJType.PROJECTED_CRS, PJType.GEOCENTRIC_CRS, PJType.VERTICAL_CRS)
    assert len(others) > 5000
    assert told(others) == set()


def test_a_code_with_a_height_goes_by_its_horizontal_part() -> None:
    compound = codes(PJType.COMPOUND_CRS)
    assert told(compound) == codes_in_degrees() & compound
    assert {9518, 5498} <= told(compound)
    assert 5972 not in told(compound)  # ETRS89 / UTM zone 32N + height


@pytest.mark.explores
@pytest.mark.parametrize("version", ["WKT1_GDAL", "WKT1_ESRI", "WKT2_2015", "WKT2_2019", "WKT2_2019_SIMPLIFIED"])
def test_wkt_is_told_apart_as_its_code_is(version: str) -> None:
    kinds = (PJType.GEOGRAPHIC_2D_CRS, PJType.GEOGRAPHIC_3D_CRS, PJType.COMPOUND_CRS, PJType.GEOCENTRIC_CRS)
    seen = 0
    for code in sorted(codes(*kinds) | set(sorted(codes(PJType.PROJECTED_CRS))[::10])):
        try:
            wkt = CRS.from_epsg(code).to_wkt(version)
        except CRSError:  # this version cannot say it
            continue
        seen += 1
        assert is_in_degrees(wkt) == is_in_degrees(f"EPSG:{code}"), wkt
    assert seen > 1000


@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:4326",
        "epsg:4326",
        "OGC:CRS84",
        "CRS84",
        "CRS:84",
        "urn:ogc:def:crs:OGC:1.3:CRS84",
        "urn:ogc:def:crs:EPSG::4326",
        "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    ],
)
def test_spellings_of_wgs84(crs: str) -> None:
    assert is_wgs84(crs)
    assert is_in_degrees(crs)


@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:7844",
        "EPSG:6706",
        "EPSG:6668",
        "EPSG:10178",
        "EPSG:4326+5773",
        "OGC:CRS83",
        'GEOGCS["WGS 84"]',
        'COMPD_CS["x", GEOGCS["WGS 84"], VERT_CS["EGM96 height"]]',
        'GEOGCS["PROJCS[ is no name"]',
    ],
)
def test_other_systems_in_degrees(crs: str) -> None:
    assert is_in_degrees(crs)
    assert not is_wgs84(crs)


@pytest.mark.parametrize(
    "crs",
    [
        "EPSG:4839",
        "EPSG:4087",
        "EPSG:4978",
        "EPSG:32632",
        "EPSG:99999999999999999999",
        "EPSG:5773",
        "EPSG:32632+5773",
        'PROJCS["x", GEOGCS["WGS 84"]]',
        'COMPD_CS["x", PROJCS["y", GEOGCS["WGS 84"]], VERT_CS["z"]]',
        'PROJCRS["GEOGCRS[", BASEGEOGCRS["WGS 84"]]',
        "SR-ORG:6974",
        "",
    ],
)
def test_systems_in_other_units(crs: str) -> None:
    assert not is_in_degrees(crs)
    assert not is_wgs84(crs)
