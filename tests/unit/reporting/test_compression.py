from __future__ import annotations

from datetime import date

import pytest

from tasks.artifacts.compression import Compressed, Compression, CompressionRules, Cost, Form, SegmentGivenUp
from tasks.artifacts.record import Window
from tasks.reporting import compression
from tests.unit.reporting import factory
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit

RULES = CompressionRules(log_loss=0.001, calibration_error=0.005, segment_log_loss=0.02, segment_days=14)


def segment(name: str, given_up: float, *, days: int = 28, holds: bool = True) -> SegmentGivenUp:
    return SegmentGivenUp(segment=name, rows=257, days=days, log_loss=factory.interval(given_up, 0.004), counts=days >= 14, holds=holds)


def smaller(
    form: Form, *, accepted: bool = True, reason: str = "log-loss rises by 0.00005 at most", given_up: float = 0.00002
) -> Compressed:
    return Compressed(
        form=form,
        package_digest=factory.digest(len(form)),
        cost=Cost(onnx_bytes=219_544, microseconds_a_row=83.2, rows_per_second=73_230.4),
        original_cost=Cost(onnx_bytes=1_038_226, microseconds_a_row=201.3, rows_per_second=12_660.0),
        log_loss=factory.interval(0.3515, 0.04),
        original_log_loss=factory.interval(0.3512, 0.04),
        calibration_error=factory.interval(0.0143, 0.01),
        original_calibration_error=factory.interval(0.0146, 0.01),
        log_loss_given_up=factory.interval(given_up, 0.0001),
        calibration_error_given_up=factory.interval(-0.0003, 0.002),
        segments=[segment("origin JFK", 0.0001), segment("small communities", 0.0053), segment("carrier OO", 0.1, days=9, holds=False)],
        accepted=accepted,
        reasons=[reason],
    )


def record(*forms: Compressed, rules: CompressionRules = RULES) -> Compression:
    return Compression(
        model_digest=factory.CANDIDATE_DIGEST,
        window=Window(first_day=date(2013, 6, 3), last_day=date(2013, 6, 30)),
        rows=25_312,
        days=28,
        machine="x86_64, one thread",
        rules=rules,
        forms=list(forms),
    )


BOTH = record(smaller(Form.INT8), smaller(Form.DISTILLED, accepted=False, reason="log-loss of segment small communities may rise"))


def test_the_sentence_says_what_is_saved_and_given_up() -> None:
    assert compression.verdicts(BOTH) == (
        "int8 is accepted: 4.7 times smaller, 5.8 times as many rows a second, +0.00002 [-0.00008, +0.00013] log-loss. "
        "distilled is refused: 4.7 times smaller, 5.8 times as many rows a second, +0.00002 [-0.00008, +0.00013] log-loss."
    )


def test_the_section_is_sound_and_shows_what_the_record_holds() -> None:
    shown = require_sound(compression.compression(BOTH)).text
    facts = [
        *("1,038 kB", "220 kB", "201 µs", "83 µs", "12,660", "73,230", "0.3512 [0.3112, 0.3952]", "-0.00030 [-0.00230, +0.00190]"),
        *("small communities may rise", "too few days", "int8: accepted", "distilled: refused", factory.CANDIDATE_DIGEST),
        *("0.001", "0.005", "25,312", "x86_64, one thread", factory.digest(4)),
    ]
    assert [fact for fact in facts if fact not in shown] == []
    assert shown.index("carrier OO") < shown.index("small communities 257") < shown.index("origin JFK"), "the worst first"


def test_a_limit_that_is_not_set_is_told() -> None:
    assert "none set: refused" in compression.compression(record(smaller(Form.INT8), rules=RULES.model_copy(update={"log_loss": None})))


def test_nothing_to_show_is_sound_too() -> None:
    require_sound(compression.compression(record()))


def test_hostile_names_stay_text() -> None:
    found = smaller(Form.INT8, reason=HOSTILE).model_copy(update={"segments": [segment(HOSTILE, 0.0)]})
    assert "alert(" in require_sound(compression.compression(record(found))).text


def test_the_record_in_a_line() -> None:
    assert (
        str(BOTH)
        == repr(BOTH)
        == (
            "int8 accepted: 220 kB of 1,038, 73,230 rows a second for 12,660, +0.00002 log-loss; "
            "distilled refused (log-loss of segment small communities may rise): 220 kB of 1,038, 73,230 rows a second for 12,660, "
            "+0.00002 log-loss"
        )
    )
    assert BOTH.accepted == [Form.INT8]
