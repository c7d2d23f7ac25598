"""Prints the table of airflow_provider_ee/earthengine/degrees.py from pyproj's copy of the EPSG database."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from itertools import groupby

from pyproj import CRS
from pyproj.database import get_codes


def codes_in_degrees() -> set[int]:
    """Systems whose horizontal part is longitude and latitude in degrees, deprecated ones included."""
    kinds = ("GEOGRAPHIC_2D_CRS", "GEOGRAPHIC_3D_CRS", "COMPOUND_CRS")
    codes = {code for kind in kinds for code in get_codes("EPSG", kind, allow_deprecated=True)}
    return {int(code) for code in codes if _is_in_degrees(CRS.from_epsg(int(code)))}


def _is_in_degrees(crs: CRS) -> bool:
    return bool(crs.is_geographic) and crs.axis_info[0].unit_name.startswith("degree")


def as_ranges(codes: Iterable[int]) -> str:
    """3819 3821-3824: no code is in it but these."""
    runs = [[code for _, code in run] for _, run in groupby(enumerate(sorted(codes)), lambda at: at[1] - at[0])]
    return " ".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


if __name__ == "__main__":
    print(textwrap.fill(as_ranges(codes_in_degrees()), 111))
