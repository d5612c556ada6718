"""Every feature, defined once, as of the prediction instant: the moment in which an application comes in.

A feature may see what was known at that instant and nothing else; `tasks/clock.py` enforces it. `build` makes the features of all
applications of a window (training, batch scoring); `online.py` makes those of single ones (serving), from the same
`own_features` and `past`. Race, sex, marital status, age and dependants stand beside the features, so that what decisions do to
these groups can be measured; no model reads them, nor the share of minorities in the neighbourhood, which stands for race.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

import pandera.polars as pa
import polars as pl

from tasks import clock
from tasks.contracts import Instant, types
from tasks.usecase.contract import LONGEST_DECISION_DAYS, REFUSED
from tasks.usecase.source import LOCAL_ZONE

F32 = pl.Float32


def _category(group: str, text: str) -> Any:
    return pa.Field(description=text, metadata={"role": "categorical", "group": group})


def _number(group: str, text: str) -> Any:
    return pa.Field(nullable=True, description=text, metadata={"role": "numeric", "group": group})


def _protected(text: str) -> Any:
    return pa.Field(nullable=True, description=text, metadata={"role": "segment", "sensitivity": "restricted"})


class Features(pa.DataFrameModel):
    """One application at its prediction instant. The label is null where it is not decided (yet)."""

    application_id: str = pa.Field(description="Number of the application", metadata={"role": "key"})
    batch_day: pl.Date = pa.Field(description="Local date on which it came in", metadata={"role": "time"})
    predicted_at: Instant = pa.Field(description="Prediction instant, UTC", metadata={"role": "time"})
    label_known_at: Instant = pa.Field(nullable=True, description="Instant of the decision, UTC", metadata={"role": "time"})
    label: pl.Int8 = pa.Field(nullable=True, isin=[0, 1], description="1 if it was refused", metadata={"role": "label"})

    county: str = pa.Field(description="Suffolk or elsewhere", metadata={"role": "segment"})
    race: str = _protected("black, hispanic or white")
    sex: str = _protected("man or woman")
    marital_status: str = _protected("married or not married")
    age: str = _protected("older or younger than the median of the area")

    property: str = _category("loan", "Kind of house")
    rate: str = _category("loan", "Fixed or adjustable rate of interest")
    mortgage_history: str = _category("credit", "How mortgages were paid so far")
    consumer_history: str = _category("credit", "How other debts were paid so far, from 1 none late to 6 serious arrears")

    loan: F32 = _number("loan", "Loan asked for, thousand dollars")
    loan_to_price: F32 = _number("loan", "Loan as a share of the price")
    loan_to_value: F32 = _number("loan", "Loan as a share of the appraised value")
    term_months: F32 = _number("loan", "Term of the loan, months")
    homes: F32 = _number("loan", "Homes in the house")

    income: F32 = _number("applicant", "Income of all applicants, dollars a month")
    second_income_share: F32 = _number("applicant", "Share of it that a second applicant has")
    housing_ratio: F32 = _number("applicant", "Cost of the home, percent of income")
    obligations_ratio: F32 = _number("applicant", "All obligations, percent of income")
    liquid_assets: F32 = _number("applicant", "Liquid assets, thousand dollars")
    net_worth: F32 = _number("applicant", "Net worth, thousand dollars")
    self_employed: F32 = _number("applicant", "1 if self-employed")
    industry_unemployment: F32 = _number("applicant", "Unemployment in the applicant's industry, percent")
    gift: F32 = _number("applicant", "1 if a gift pays a part of the price")
    cosigner: F32 = _number("applicant", "1 if somebody signs beside the applicants")

    public_record: F32 = _number("credit", "1 if a bankruptcy or the like is on record")
    credit_lines: F32 = _number("credit", "Lines of credit on the reports")
    credit_reports: F32 = _number("credit", "Credit reports")

    applications_7d_n: F32 = _number("lender", "Applications that came in in the last 7 days")
    decisions_28d_n: F32 = _number("lender", "Decisions of the last 28 days")
    decisions_28d_refused: F32 = _number("lender", "Share of refusals among the decisions of the last 28 days")
    decisions_property_28d_refused: F32 = _number("lender", "Share of refusals among those on the same kind of house")

    class Config:
        strict = True


_TICK = timedelta(microseconds=1)  # of an `Instant`
_WINDOWS = {"7d": timedelta(days=7), "28d": timedelta(days=28)}
LOOKBACK = max(_WINDOWS.values()) + timedelta(days=LONGEST_DECISION_DAYS + 1)
"""How many local days before an application's the raw rows may matter for its features: 59.

It sees decisions known in the 28 days before it; one of them may be of an application that came in the longest time of a decision
before that, and a day is added as days begin at midnight. Later rows never matter: what is known of an application is known after
its own prediction instant (`past`).
"""

_PROPERTY = pl.col("prop").replace_strict({"1": "condominium", "2": "one family", "3": "two to four families"}, return_dtype=pl.String)
_MORTGAGES = {"1": "none late", "2": "no mortgage yet", "3": "one or two late", "4": "more late"}


def build(tables: Mapping[str, pl.LazyFrame], days: tuple[date, date] | None = None) -> pl.LazyFrame:
    """Build the features of the applications in the tables, each as of its own prediction instant.

    Args:
        tables: `applications` as known at some instant.
        days: Build only those of these local days, both included. The rows are those of a build of everything as long as the table
            holds the applications of the local days from `days[0] - LOOKBACK` on.

    Returns:
        One row an application, with the columns and types of `Features`, sorted by prediction instant and number.
    """
    applications = tables["applications"].collect().lazy()
    queries = own_features(applications)
    queries = queries if days is None else queries.filter(pl.col("batch_day").is_between(*days))
    asked = queries.collect()
    parts = [index.of(asked, "predicted_at").select(made) for index, made in past(applications)]
    return pl.concat([asked, *parts], how="horizontal").lazy().select(*types(Features)).sort("predicted_at", "application_id")


def own_features(applications: pl.LazyFrame) -> pl.LazyFrame:
    """Return what each application tells itself, with its prediction instant, its label and the groups of its applicant."""
    income = pl.col("atotinc") + pl.col("cototinc")
    numbers = {
        "loan": pl.col("loanamt"),
        "loan_to_price": pl.col("loanamt") / pl.col("price"),
        "loan_to_value": pl.col("loanamt") / pl.col("apr"),
        "term_months": pl.col("term"),
        "homes": pl.col("unit"),
        "income": income,
        "second_income_share": pl.col("cototinc") / income,
        "housing_ratio": pl.col("hrat"),
        "obligations_ratio": pl.col("obrat"),
        "liquid_assets": pl.col("liq"),
        "net_worth": pl.col("netw"),
        "self_employed": pl.col("self").cast(pl.Int64),
        "industry_unemployment": pl.col("unem"),
        "gift": pl.col("gift").cast(pl.Int64),
        "cosigner": pl.col("cosign").cast(pl.Int64),
        "public_record": pl.col("pubrec").cast(pl.Int64),
        "credit_lines": pl.col("lines"),
        "credit_reports": pl.col("rep"),
    }
    race = pl.when(pl.col("black") == "1").then(pl.lit("black")).when(pl.col("hispan") == "1").then(pl.lit("hispanic"))
    groups = {
        "county": _either("suffolk", "Suffolk", "elsewhere"),
        "race": race.when((pl.col("black") == "0") & (pl.col("hispan") == "0")).then(pl.lit("white")),
        "sex": _either("male", "man", "woman"),
        "marital_status": _either("married", "married", "not married"),
        "age": _either("old", "older", "younger"),
    }
    return applications.select(
        pl.format("A-{}", pl.col("application").cast(pl.String).str.zfill(4)).alias("application_id"),
        pl.col("received_at").dt.convert_time_zone(LOCAL_ZONE).dt.date().alias("batch_day"),
        pl.col("received_at").alias("predicted_at"),
        pl.col("decided_at").alias("label_known_at"),
        (pl.col("action") == REFUSED).cast(pl.Int8).alias("label"),
        _PROPERTY.alias("property"),
        _either("fixadj", "adjustable", "fixed").alias("rate"),
        pl.col("mortg").replace_strict(_MORTGAGES, return_dtype=pl.String).alias("mortgage_history"),
        pl.col("cons").alias("consumer_history"),
        **groups,
        **{name: value.cast(F32) for name, value in numbers.items()},
    )


def _either(flag: str, yes: str, no: str) -> pl.Expr:
    return pl.when(pl.col(flag) == "1").then(pl.lit(yes)).when(pl.col(flag) == "0").then(pl.lit(no))


def past(applications: pl.LazyFrame) -> Iterator[tuple[clock.Index, list[pl.Expr]]]:
    """Give each index of the past with the features made of its answers.

    An application is known to others after the instant in which it is asked about, so that none sees itself.
    """
    came = applications.with_columns(known_at=pl.col("received_at") + _TICK)
    arrivals = clock.Totals(came, by=(), known="known_at", values={"n": pl.lit(1)}, windows={"7d": _WINDOWS["7d"]})
    yield arrivals, [pl.col("n_7d").cast(F32).alias("applications_7d_n")]

    # Never before the tick, however fast: a decision in the moment of arrival would be seen by its own application.
    decided = applications.with_columns(
        known_at=pl.max_horizontal("decided_at", pl.col("received_at") + _TICK), refused=pl.col("action") == REFUSED, property=_PROPERTY
    ).filter(pl.col("decided_at").is_not_null())
    for by, stem in (((), "decisions"), (("property",), "decisions_property")):
        values = {f"{stem}_n": pl.lit(1), f"{stem}_refused": pl.col("refused")}
        totals = clock.Totals(decided, by=by, known="known_at", values=values, windows={"28d": _WINDOWS["28d"]})
        count = pl.col(f"{stem}_n_28d")
        share = pl.when(count > 0).then(pl.col(f"{stem}_refused_28d") / count).cast(F32).alias(f"{stem}_28d_refused")
        yield totals, [share, *([] if by else [count.cast(F32).alias("decisions_28d_n")])]
