"""Which coordinate systems count x in degrees of longitude, told from their codes and WKT alone."""

from __future__ import annotations

import re
from functools import lru_cache

# EPSG's systems with a horizontal part in degrees of longitude and latitude; not the few in grads. Projected and
# geocentric systems lie among them. Printed by tools/make_degree_codes.py; a test compares it with pyproj.
_CODES = """
3819 3821 3823-3824 3888-3889 3906 4001-4025 4027-4036 4040-4047 4052-4055 4074-4075 4080-4081 4120-4176
4178-4185 4188-4216 4218-4289 4291-4304 4306-4319 4322 4324 4326-4327 4329 4339 4341 4343 4345 4347 4349 4351
4353 4355 4357 4359 4361 4363 4365 4367 4369 4371 4373 4375 4377 4379 4381 4383 4386 4388 4463 4466 4469-4470
4472 4475 4480 4482-4483 4490 4555 4557-4558 4600-4646 4657-4765 4801-4806 4808-4809 4813-4815 4817-4818 4820
4823-4824 4883 4885 4887 4889 4891 4893 4895 4898 4900 4903-4904 4907 4909 4921 4923 4925 4927 4929 4931 4933
4935 4937 4939 4941 4943 4945 4947 4949 4951 4953 4955 4957 4959 4961 4963 4965 4967 4969 4971 4973 4975 4977
4979 4981 4983 4985 4987 4989 4991 4993 4995 4997 4999 5012-5013 5132 5228-5229 5233 5245-5246 5251-5252
5263-5264 5323-5324 5340 5342 5353-5354 5359-5360 5364-5365 5370-5373 5380-5381 5392-5393 5451 5464 5467
5488-5489 5498-5500 5524 5527 5545-5546 5560-5561 5592-5593 5628 5681 5830 5885-5886 5942 6134-6135 6144 6207
6310-6311 6318-6319 6321-6322 6324-6325 6349 6364-6365 6649 6667-6668 6696-6697 6700 6705-6706 6782-6783
6881-6883 6892 6894 6917 6979-6980 6982-6983 6986-6987 6989-6990 7034-7042 7072-7073 7084-7088 7133 7135-7136
7138-7139 7372-7373 7404 7406 7408-7410 7414 7423 7657 7659 7661 7663 7665 7678 7680 7682-7683 7685-7686
7797-7798 7816 7843-7844 7880-7881 7885-7886 7900-7912 7915 7917 7919 7921 7923 7925 7927 7929 7931 8042-8043
8085-8086 8231-8232 8235 8237 8239-8240 8244 8246 8248-8249 8251-8252 8254-8255 8349-8351 8360 8399 8403
8426-8428 8430-8431 8449 8542 8544-8545 8684-8685 8694 8698-8699 8817-8818 8860 8888 8899-8902 8906-8907 8916
8918 8920 8922 8924 8926 8928 8930 8932 8934 8936 8938 8940 8942 8944 8946 8948-8949 8972-9000 9002-9003
9005-9006 9008-9009 9011-9014 9016-9019 9053-9057 9059-9069 9071-9072 9074-9075 9139-9140 9147-9148 9152-9153
9183-9184 9248 9251 9253 9267 9286 9289-9290 9293-9294 9299 9308-9309 9332-9333 9364 9372 9379-9380 9384 9403
9422-9430 9449-9450 9452-9453 9462-9464 9469-9470 9474-9475 9500-9544 9546-9547 9656-9657 9695-9696 9701-9702
9705 9707 9723-9725 9739 9754-9755 9758 9763 9776-9779 9781-9785 9866 9871 9883 9893 9907 9924 9939 9948-9950
9964 9969 9974 9989-9990 10156-10158 10175 10177-10178 10185 10191 10196 10204 10209 10214 10219 10224 10229
10237 10245 10249 10252 10256 10260 10265 10268 10272 10277 10283-10284 10293 10298-10300 10304-10305 10307
10309-10312 10318 10327-10328 10345-10346 10355-10357 10365 10413-10414 10468 10474-10475 10486-10488 10507
10545 10553-10556 10570-10571 10605-10606 10623 10628 10651-10652 10659 10670-10673 10679 10686 20001 20033
20037-20038 20040-20041 20043 20045-20046
"""

_EPSG = re.compile(
    r"(?:EPSG:|urn:ogc:def:crs:EPSG:[^:]*:|https?://www\.opengis\.net/def/crs/EPSG/[^/]*/)(\d+)(\+.*)?", re.I
)
_OGC = re.compile(
    r"(?:OGC:|urn:ogc:def:crs:OGC:[^:]*:|https?://www\.opengis\.net/def/crs/OGC/[^/]*/)?CRS:?(27|83|84)", re.I
)
# The first of these words in a WKT tells its kind: a projected system holds a geographic one.
_KIND = re.compile(
    r"\b(?:(GEOGCS|GEOGCRS|GEOGRAPHICCRS|GEODCRS|GEODETICCRS)|PROJCS|PROJCRS|PROJECTEDCRS|GEOCCS)\s*[\[(]", re.I
)
_CARTESIAN = re.compile(r"\bCS\s*[\[(]\s*Cartesian", re.I)
_ANGLE = re.compile(r'UNIT\s*[\[(]\s*"(\w*degree|grad|gon|radian)', re.I)
_QUOTED = re.compile(r'"[^"]*"')


def is_in_degrees(crs: str) -> bool:
    """Whether a CRS counts longitude and latitude in degrees, so that x goes round the globe every 360.

    :param crs: a code of EPSG or OGC, also as a URN or URL or with a vertical system (``EPSG:4326+5773``); or WKT.
        Codes of other authorities are taken for projected systems.
    """
    crs = crs.strip()
    if "[" in crs or "(" in crs:
        return _is_wkt_in_degrees(crs)
    if code := _EPSG.fullmatch(crs):
        return len(code[1]) < 7 and int(code[1]) in _codes()
    return bool(_OGC.fullmatch(crs))


def is_wgs84(crs: str) -> bool:
    """Whether a CRS is the longitude and latitude of GeoJSON: EPSG:4326 or CRS84, in any spelling."""
    epsg, ogc = _EPSG.fullmatch(crs.strip()), _OGC.fullmatch(crs.strip())
    return bool(epsg and epsg[1] == "4326" and not epsg[2]) or bool(ogc and ogc[1] == "84")


def _is_wkt_in_degrees(wkt: str) -> bool:
    kind = _KIND.search(_QUOTED.sub('""', wkt))
    if not kind or not kind[1] or (kind[1].upper().startswith("GEOD") and _CARTESIAN.search(wkt)):
        return False
    # The prime meridian, which comes first, may have a unit of its own.
    angles = _ANGLE.findall(wkt)
    return not angles or angles[-1].lower().endswith("degree")


@lru_cache(maxsize=1)
def _codes() -> frozenset[int]:
    ranges = (one.partition("-") for one in _CODES.split())
    return frozenset(code for first, _, last in ranges for code in range(int(first), int(last or first) + 1))
