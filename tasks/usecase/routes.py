"""What is known of the routes from New York: their distances, and the time zone at their other end.

Taken from the flights of 2013 and the airports' table; the four airports of Puerto Rico and the Virgin Islands that the
table lacks are added. A route that is not here breaks no rule of a row: whether it is new or wrong shows in the batch.
"""

from __future__ import annotations

import polars as pl

_MILES: dict[str, dict[str, tuple[int, ...]]] = {
    "EWR": {
        "ALB": (143,), "ANC": (3370,), "ATL": (746,), "AUS": (1504,), "AVL": (583,), "BDL": (116,), "BNA": (748,), "BOS": (200,),
        "BQN": (1585,), "BTV": (266,), "BUF": (282,), "BWI": (169,), "BZN": (1882,), "CAE": (602,), "CHS": (628,), "CLE": (404,),
        "CLT": (529,), "CMH": (463,), "CVG": (569,), "DAY": (533,), "DCA": (199,), "DEN": (1605,), "DFW": (1372,), "DSM": (1017,),
        "DTW": (488,), "EGE": (1725, 1726), "FLL": (1065,), "GRR": (605,), "GSO": (445,), "GSP": (594,), "HDN": (1728,),
        "HNL": (4963,), "HOU": (1411,), "IAD": (212,), "IAH": (1400,), "IND": (645,), "JAC": (1874,), "JAX": (820,), "LAS": (2227,),
        "LAX": (2454,), "LGA": (17,), "MCI": (1092,), "MCO": (937,), "MDW": (711,), "MEM": (946,), "MHT": (209,), "MIA": (1085,),
        "MKE": (725,), "MSN": (799,), "MSP": (1008,), "MSY": (1167,), "MTJ": (1795,), "MYR": (550,), "OKC": (1325,), "OMA": (1134,),
        "ORD": (719,), "ORF": (284,), "PBI": (1023,), "PDX": (2434,), "PHL": (80,), "PHX": (2133,), "PIT": (319,), "PVD": (160,),
        "PWM": (284,), "RDU": (416,), "RIC": (277,), "ROC": (246,), "RSW": (1068,), "SAN": (2425,), "SAT": (1569,), "SAV": (708,),
        "SBN": (637,), "SDF": (642,), "SEA": (2402,), "SFO": (2565,), "SJU": (1608,), "SLC": (1969,), "SNA": (2434,), "STL": (872,),
        "STT": (1634,), "SYR": (195,), "TPA": (997,), "TUL": (1215,), "TVC": (644,), "TYS": (631,), "XNA": (1131,),
    },
    "JFK": {
        "ABQ": (1826,), "ACK": (199,), "ATL": (760,), "AUS": (1521,), "BHM": (865,), "BNA": (765,), "BOS": (187,), "BQN": (1576,),
        "BTV": (266,), "BUF": (301,), "BUR": (2465,), "BWI": (184,), "CHS": (636,), "CLE": (425,), "CLT": (541,), "CMH": (483,),
        "CVG": (589,), "DCA": (213,), "DEN": (1626,), "DFW": (1391,), "DTW": (509,), "EGE": (1746, 1747), "FLL": (1069,),
        "HNL": (4983,), "HOU": (1428,), "IAD": (228,), "IAH": (1417,), "IND": (665,), "JAC": (1894,), "JAX": (828,), "LAS": (2248,),
        "LAX": (2475,), "LGB": (2465,), "MCI": (1113,), "MCO": (944,), "MEM": (964,), "MIA": (1089,), "MKE": (745,), "MSP": (1029,),
        "MSY": (1182,), "MVY": (173,), "OAK": (2576,), "ORD": (740,), "ORF": (290,), "PBI": (1028,), "PDX": (2454,), "PHL": (94,),
        "PHX": (2153,), "PIT": (340,), "PSE": (1617,), "PSP": (2378,), "PWM": (273,), "RDU": (427,), "RIC": (288,), "ROC": (264,),
        "RSW": (1074,), "SAN": (2446,), "SAT": (1587,), "SDF": (662,), "SEA": (2422,), "SFO": (2586,), "SJC": (2569,), "SJU": (1598,),
        "SLC": (1990,), "SMF": (2521,), "SRQ": (1041,), "STL": (892,), "STT": (1623,), "SYR": (209,), "TPA": (1005,),
    },
    "LGA": {
        "ATL": (762,), "AVL": (599,), "BGR": (378,), "BHM": (866,), "BNA": (764,), "BOS": (184,), "BTV": (258,), "BUF": (292,),
        "BWI": (185,), "CAE": (617,), "CAK": (397,), "CHO": (305,), "CHS": (641,), "CLE": (419,), "CLT": (544,), "CMH": (479,),
        "CRW": (444,), "CVG": (585,), "DAY": (549,), "DCA": (214,), "DEN": (1620,), "DFW": (1389,), "DSM": (1031,), "DTW": (502,),
        "EYW": (1207,), "FLL": (1076,), "GRR": (618,), "GSO": (461,), "GSP": (610,), "HOU": (1428,), "IAD": (229,), "IAH": (1416,),
        "ILM": (500,), "IND": (660,), "JAX": (833,), "LEX": (604,), "MCI": (1107,), "MCO": (950,), "MDW": (725,), "MEM": (963,),
        "MHT": (195,), "MIA": (1096,), "MKE": (738,), "MSN": (812,), "MSP": (1020,), "MSY": (1183,), "MYR": (563,), "OMA": (1148,),
        "ORD": (733,), "ORF": (296,), "PBI": (1035,), "PHL": (96,), "PIT": (335,), "PWM": (269,), "RDU": (431,), "RIC": (292,),
        "ROC": (254,), "RSW": (1080,), "SAV": (722,), "SBN": (651,), "SDF": (659,), "SRQ": (1047,), "STL": (888,), "SYR": (198,),
        "TPA": (1010,), "TVC": (655,), "TYS": (647,), "XNA": (1147,),
    },
}  # fmt: skip

MILES: dict[tuple[str, str], tuple[int, ...]] = {(origin, dest): miles for origin, to in _MILES.items() for dest, miles in to.items()}
"""Origin and destination to the known distances, miles. EGE (Eagle) has two: one mile less from 1 March 2013 on."""

_AIRPORTS_OF = {
    "America/New_York": (
        "ACK ALB ATL AVL BDL BGR BOS BTV BUF BWI CAE CAK CHO CHS CLE CLT CMH CRW CVG DAY DCA DTW EYW FLL GRR GSO GSP "
        "IAD ILM IND JAX LEX LGA MCO MHT MIA MVY MYR ORF PBI PHL PIT PVD PWM RDU RIC ROC RSW SAV SBN SDF SRQ SYR TPA "
        "TVC TYS "
    ),
    "America/Chicago": "AUS BHM BNA DFW DSM HOU IAH MCI MDW MEM MKE MSN MSP MSY OKC OMA ORD SAT STL TUL XNA",
    "America/Los_Angeles": "BUR LAS LAX LGB OAK PDX PSP SAN SEA SFO SJC SMF SNA",
    "America/Denver": "ABQ BZN DEN EGE HDN JAC MTJ SLC",
    "America/Puerto_Rico": "BQN PSE SJU",
    "America/Anchorage": "ANC",
    "Pacific/Honolulu": "HNL",
    "America/Phoenix": "PHX",
    "America/St_Thomas": "STT",
}

ZONES: dict[str, str] = {dest: zone for zone, airports in _AIRPORTS_OF.items() for dest in airports.split()}
"""Destination to its IANA time zone."""

_STANDARD_MINUTES = {
    "America/New_York": -300,
    "America/Chicago": -360,
    "America/Denver": -420,
    "America/Los_Angeles": -480,
    "America/Anchorage": -540,
    "America/Phoenix": -420,
    "America/Puerto_Rico": -240,
    "America/St_Thomas": -240,
    "Pacific/Honolulu": -600,
}
_NO_SUMMER_TIME = ("America/Phoenix", "America/Puerto_Rico", "America/St_Thomas", "Pacific/Honolulu")
_NEW_YORK = "America/New_York"


def has_known_distance() -> pl.Expr:
    """Return whether `distance` is one of its route's, null for a route that is not known."""
    route = pl.concat_str("origin", "dest")
    first = route.replace_strict({o + d: miles[0] for (o, d), miles in MILES.items()}, default=None, return_dtype=pl.Int64)
    is_another = pl.concat_str(route, "distance").is_in([f"{o}{d}{m}" for (o, d), miles in MILES.items() for m in miles[1:]])
    # A text is made only for the few whose distance is not the first of their route.
    return pl.when(pl.col("distance") == first).then(True).when(first.is_not_null()).then(is_another)


def is_summer_time(instant: pl.Expr) -> pl.Expr:
    """Return whether New York keeps summer time at an instant (UTC)."""
    return instant.dt.convert_time_zone(_NEW_YORK).dt.dst_offset() > pl.duration(minutes=0)


def offset_at_dest(instant: pl.Expr) -> pl.Expr:
    """Return how many minutes the destination's clocks are ahead of UTC at an instant, null for an unknown destination.

    All zones of the United States that change their clocks do so at the same local time, so that a zone's summer time is
    New York's, moved by the distance of their standard times: one conversion instead of one a zone.
    """
    standard = {dest: _STANDARD_MINUTES[zone] for dest, zone in ZONES.items()}
    minutes = pl.col("dest").replace_strict(standard, default=None, return_dtype=pl.Int64)
    keeps_one_time = [dest for dest, zone in ZONES.items() if zone in _NO_SUMMER_TIME]
    summer = is_summer_time(instant + pl.duration(minutes=minutes - _STANDARD_MINUTES[_NEW_YORK])) & ~pl.col("dest").is_in(keeps_one_time)
    return minutes + pl.when(summer).then(60).otherwise(0)
