"""All nights together: bounded for years of them, each mark where it was, gaps as gaps, and no night twice."""

from __future__ import annotations

import base64
import io
from datetime import date, timedelta

import pytest
from PIL import Image

from tasks.artifacts.retraining import Action
from tasks.reporting import trend
from tests.unit.reporting import nights
from tests.unit.reporting.documents import HOSTILE, Tags, require_sound

pytestmark = pytest.mark.unit

MOST_BYTES = 300_000
REPORTS, DECISIONS = nights.history(60, missed=(40, 41))


def alternative(html: str, start: str) -> str:
    """Return the alternative text of the one picture that begins so."""
    (told,) = [str(img["alt"]) for img in Tags(html).of("img") if str(img["alt"]).startswith(start)]
    return told


@pytest.fixture(scope="module")
def year() -> str:
    reports, decisions = nights.history(300)
    return trend.page(reports, decisions, [report.night for report in reports])


def test_a_year_is_one_small_page(year: str) -> None:
    found = require_sound(year, MOST_BYTES)
    assert len(found.of("img")) == 4
    assert "297 (2013-03-01 to 2013-12-25)" in found.text
    assert "Missed in between 3" in found.text
    assert "Ways back to a version before 1" in found.text


def test_the_newest_night_leads(year: str) -> None:
    text = require_sound(year).text
    assert "Monitoring: all nights ✓ NONE Night of 2013-12-25. Champion v7, 10 days after its evaluation" in text


def test_only_the_newest_thirty_nights_are_linked(year: str) -> None:
    links = [str(link["href"]) for link in require_sound(year).of("a")]
    assert links[0] == "2013-12-25.html"
    assert len(links) == 30
    assert sorted(links, reverse=True) == links


def test_nights_without_a_page_are_not_linked() -> None:
    known, unknown = REPORTS[3].night, date(2012, 1, 1)
    assert [link["href"] for link in require_sound(trend.page(REPORTS, DECISIONS, [known, unknown])).of("a")] == [f"{known}.html"]
    assert require_sound(trend.page(REPORTS, DECISIONS)).of("a") == []


def test_the_pictures_say_what_they_show(year: str) -> None:
    loss = alternative(year, "Log-loss of the champion")
    assert loss.startswith("Log-loss of the champion over 300 days, 2013-03-01 to 2013-12-25: realised 0.4293 [")
    assert loss.endswith("51 alerts, 11 challenges, 7 promotions, 1 way back.")
    drift = alternative(year, "p-value of drift")
    assert "level 0.001" in drift
    assert "state 6 alarms, newest 2013-09-02; weather 45 alarms, newest 2013-12-13; prediction 6 alarms" in drift
    assert "label 0 alarms;" in drift
    assert "fewest 71 on 2013-09-27" in alternative(year, "Rows of each night")
    assert "realised from 17.2% to 24.1%" in alternative(year, "Share of positives")


def test_years_of_nights_stay_bounded() -> None:
    first = nights.calm()
    many = [first.model_copy(update={"night": first.night + timedelta(days=n)}) for n in range(1_100)]
    decisions = [nights.decision(Action.ALERT, report.night) for report in many]
    section = trend.section(many, decisions)
    found = require_sound(section, MOST_BYTES)
    assert f"400 ({many[-400].night} to {many[-1].night})" in found.text
    assert "Nights before that 700" in found.text
    assert "340 earlier ones not shown." in found.text


def test_a_gap_of_years_is_not_drawn_whole() -> None:
    late = [nights.calm(date(2023, 10, 12) + timedelta(days=n)) for n in range(3)]
    decisions = [nights.decision(Action.ALERT, night.night) for night in (nights.calm(), *late)]
    section = trend.section([nights.calm(), *late], decisions)
    assert "Alerts 4" in require_sound(section, MOST_BYTES).text
    drawn = alternative(section, "Log-loss of the champion")
    assert "over 800 days, " in drawn
    assert "3 alerts" in drawn


def test_the_order_of_reports_does_not_matter_and_a_night_counts_once() -> None:
    shown = trend.section(REPORTS, DECISIONS)
    assert trend.section(REPORTS[::-1], DECISIONS[::-1]) == shown
    older = REPORTS[5].model_copy(update={"rows": 1})
    assert trend.section([older, *REPORTS], DECISIONS) == shown  # recorded again: the last one counts


@pytest.mark.parametrize(
    ("versions", "promotions", "back"),
    [
        ([1, 1, 1], 0, 0),
        ([1, 2, 2], 1, 0),
        ([1, 2, 1], 1, 1),  # came and went
        ([2, 1, 2], 1, 1),  # a way back, and forth again
        ([3], 0, 0),  # the first night shown is no promotion
    ],
)
def test_another_champion_is_a_promotion_or_a_way_back(versions: list[int], promotions: int, back: int) -> None:
    some = [nights.calm(nights.FIRST + timedelta(days=n), champion_version=version) for n, version in enumerate(versions)]
    text = require_sound(trend.section(some, [])).text
    assert f"Promotions {promotions} Ways back to a version before {back}" in text


def test_alarms_are_counted_of_the_nights_that_were_tested() -> None:
    days = [nights.FIRST + timedelta(days=n) for n in range(4)]
    some = [nights.calm(days[0]), nights.report(days[1]), nights.calm(days[2]), nights.calm(days[3], drift=None)]
    text = require_sound(trend.section(some, [])).text
    assert f"weather 3 1 33.3% {days[1]} humid: level" in text
    assert "label 3 0 0.0% - -" in text


def test_only_nights_with_something_are_listed_newest_first() -> None:
    days = [nights.FIRST + timedelta(days=n) for n in range(4)]
    some = [nights.report(days[0]), nights.calm(days[1]), nights.calm(days[2]), nights.calm(days[3], quality=None)]
    decisions = [nights.decision(Action.NONE, days[1]), nights.decision(Action.ALERT, days[2]), nights.decision(Action.CHALLENGE, days[3])]
    listed = require_sound(trend.section(some, decisions)).text.partition("newest first")[2]
    assert f"{days[3]} → CHALLENGE v3 - - - -" in listed
    assert f"{days[0]} - v3 0.531" in listed  # not decided, but weather drifted
    assert "weather labels are late" in listed
    assert str(days[1]) not in listed
    assert listed.index(str(days[3])) < listed.index(str(days[2])) < listed.index(str(days[0]))


def test_nothing_to_show_is_said() -> None:
    assert "No night has been recorded yet." in require_sound(trend.page([], [])).text
    lone = trend.section([nights.calm(drift=None, quality=None, estimate=None, served=None)], [])
    text = require_sound(lone, MOST_BYTES).text
    assert "No night asked for anything." in text
    assert len(Tags(lone).of("img")) == 2  # no picture of drift without a test, nor of positives that nobody knows
    assert "no night has a realised log-loss" in alternative(lone, "Log-loss of the champion")
    expected = trend.section([nights.calm(quality=None)], [])
    assert "realised none is known yet" in alternative(expected, "Share of positives")


def colours(html: str, start: str) -> set[tuple[int, ...]]:
    (source,) = [str(img["src"]) for img in Tags(html).of("img") if str(img["alt"]).startswith(start)]
    picture = Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))).convert("RGB")
    assert picture.width > 900  # the column's width at 1280 pixels
    return set(picture.get_flattened_data())


def test_alarms_and_a_single_value_are_drawn() -> None:
    vermilion, blue = (0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2)
    calm, alarmed = (trend.section([report], []) for report in (nights.calm(), nights.report()))
    assert vermilion in colours(alarmed, "p-value of drift")
    assert vermilion not in colours(calm, "p-value of drift")
    assert blue in colours(calm, "Log-loss of the champion")  # one night has no line, but a point


def test_hostile_texts_of_records_stay_text() -> None:
    report = nights.report()
    assert report.drift is not None
    groups = [g.model_copy(update={"group": f"{g.group} {HOSTILE}", "column": HOSTILE, "is_drifted": True}) for g in report.drift.groups]
    problem = nights.PROBLEM.model_copy(update={"name": "name " + HOSTILE})
    hostile = report.model_copy(update={"drift": report.drift.model_copy(update={"groups": groups}), "problems": [problem]})
    text = require_sound(trend.page([hostile], [], [hostile.night]), MOST_BYTES).text
    for place in ("weather", "name"):
        assert f"{place} {HOSTILE}"[:60] in text
