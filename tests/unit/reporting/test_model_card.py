"""The model card: the nine headings of Mitchell et al., the same facts in Markdown and HTML."""

from __future__ import annotations

import re

import pytest

from tasks.artifacts.dossier import Dossier
from tasks.artifacts.evaluation import Verdict
from tasks.reporting import model_card
from tests.unit.reporting import evidence, factory
from tests.unit.reporting.documents import HOSTILE, require_sound

pytestmark = pytest.mark.unit

HEADINGS = [
    "Model details",
    "Intended use",
    "Factors",
    "Metrics",
    "Evaluation data",
    "Training data",
    "Quantitative analyses",
    "Ethical considerations",
    "Caveats and recommendations",
]


@pytest.fixture(scope="module")
def card() -> str:
    return model_card.markdown(evidence.dossier())


def test_its_headings_are_the_paper_s_in_both_forms(card: str) -> None:
    assert re.findall(r"^## (.*)$", card, re.M) == HEADINGS
    assert re.findall(r"<h2>(.*?)</h2>", model_card.html(evidence.dossier())) == HEADINGS
    assert card.endswith("\n")


@pytest.mark.parametrize(
    "said",
    [
        "| verdict | PROMOTE: The candidate may become the champion in place of v2: it meets 3 of 3 requirements. |",
        "| owner | flight-operations |",
        f"| package | {factory.digest(5)} |",
        f"| weights | {factory.CANDIDATE_DIGEST} |",
        "| trained on | cpu, float32 |",
        "- air service: small community and well served.",
        "26,123 rows of 2013-06-03 to 2013-06-30, the last labelled days, of which 28.7% positive.",
        "134,402 rows of 2013-01-01 to 2013-06-02, with 50 numeric features and 5 categorical features.",
        "a missed positive costs 4 and a needless flag 1",
        "| network | 0.5123 [0.4711, 0.5576] | 0.757 [0.744, 0.772] |",
        "| all | 26,123 | 0.5123 ",
        "| air service | small community | 1,404 | 0.340 [0.310, 0.373] | 0.680 [0.630, 0.735] |",
        "| carrier | OO | 3 | 0.340 [0.310, 0.373] | - |",  # no rate without a positive
        "| air service | disparate impact | 0.790 [0.730, 0.856] | 0.5 | within |",
        "Too small for the differences are carrier: OO.",
        "| rare storms | yes | 99.5% | 90.0% |",
        r"| arrivals\_carrier\_6h\_late | Meaning of arrivals\_carrier\_6h\_late |",
    ],
)
def test_it_says(card: str, said: str) -> None:
    assert said in card


def test_all_that_people_wrote_is_in_it(card: str) -> None:
    for value in evidence.CARD.model_dump().values():
        for words in [value] if isinstance(value, str) else value:
            assert words in card


def test_every_line_of_a_table_has_as_many_cells_as_its_head(card: str) -> None:
    for block in card.split("\n\n"):
        if block.startswith("|"):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1, block


@pytest.mark.parametrize("record", [evidence.dossier(Verdict.HOLD, None), evidence.dossier(extra_segments=500, carriers=500)])
def test_the_section_is_sound(record: Dossier) -> None:
    shown = require_sound(model_card.html(record)).text
    assert shown.startswith(("✓ PROMOTE", "✗ HOLD"))


def test_hostile_texts_stay_text() -> None:
    record = evidence.dossier()
    record = record.model_copy(update={"use_case": HOSTILE, "card": record.card.model_copy(update={"limits": [HOSTILE], "owner": HOSTILE})})
    assert "<script" not in model_card.markdown(record)
    assert "alert(" in require_sound(model_card.html(record)).text


def test_a_missing_limit_is_told() -> None:
    record = evidence.dossier()
    record = record.model_copy(update={"fairness_rules": record.fairness_rules.model_copy(update={"limits": {}})})
    assert "| air service | equal opportunity | 0.060 [0.020, 0.104] | none set | no limit |" in model_card.markdown(record)


def test_thresholds_of_groups_are_told_where_there_are_any(card: str) -> None:
    assert "thresholds of their own" not in card
    record = evidence.dossier()
    grouping = record.fairness.attributes[0].grouping
    update = {"grouping": grouping, "group_thresholds": {"well served": 0.21, "small community": 0.1834}}
    record = record.model_copy(update={"candidate": record.candidate.model_copy(update=update)})
    told = "Groups of air service have thresholds of their own: small community 0.1834 and well served 0.2100."
    assert told in model_card.markdown(record)


# --- of a model that is trained and not judged yet --------------------------------------------------------------------


@pytest.fixture(scope="module")
def early() -> str:
    model = factory.model("network", 0.4362).model_copy(update={"temperature": 1.0831})
    return model_card.of_model("late flights", evidence.CARD, model, evidence.dossier().costs)


def test_the_card_in_a_package_has_the_same_headings(early: str) -> None:
    assert re.findall(r"^## (.*)$", early, re.M) == HEADINGS
    assert early.startswith("# Model card: late flights\n")
    assert early.endswith("\n")


@pytest.mark.parametrize(
    "said",
    [
        f"| weights | {factory.CANDIDATE_DIGEST} |",
        "134,402 rows of 2013-01-01 to 2013-06-02, with 50 numeric features and 5 categorical features.",
        "from a probability of 0.2134 upwards",
        "a missed positive costs 4 and a needless flag 1",
        "| 2013-04-08 to 2013-05-05 | 25,000 | 0.4362 |",
        "a temperature of 1.0831",
        "2013-06-03 to 2013-06-30, the last labelled days. Nothing was fitted on them. The dossier of the version",
    ],
)
def test_it_says_what_is_known_by_then(early: str, said: str) -> None:
    assert said in early


def test_what_people_wrote_is_in_the_early_card_too(early: str) -> None:
    for value in evidence.CARD.model_dump().values():
        for words in [value] if isinstance(value, str) else value:
            assert words in early


def test_a_model_without_folds_says_so() -> None:
    model = factory.model("network").model_copy(update={"folds": []})
    assert "trained without folds" in model_card.of_model("late flights", evidence.CARD, model, evidence.dossier().costs)
