"""Write the page of the ML Test Score from the rubric: `python -m tests.conventions.ml_test_score`. Not a test itself."""

from __future__ import annotations

from pathlib import Path

from tasks.readiness.rubric import RUBRIC
from tasks.readiness.scoring import BEYOND, READINGS
from tasks.reporting.readiness import PAPER, rubric
from tasks.usecase import policy

PAGE = Path(__file__).resolve().parents[2] / "docs" / "ml-test-score.md"
RULES = policy.READINESS

HEAD = f"""\
# ML Test Score

`make ml-test-score` (or `pyflyte run workflows/ml_test_score.py ml_test_score`) asks how ready *this installation* is, by the 28 tests of
{PAPER}.
It looks up what proves each of them: records of the lake and the registry, the dossier of the newest version, the report that `make test`
leaves. It prints each test with its points, its evidence and the day of that, or what is missing and the command that earns it, and
writes `.evergreen/ml-test-score/index.html` and `<day>.json`. Every score is kept in the lake's table `proofs`.

**No point without evidence.** Half a point is for what was done and is documented, a full one for what is done again by itself. A section
is the sum over its seven tests, the score is the least of the four sections.

| evidence | what a full point needs (`READINESS` in `tasks/usecase/policy.py`) |
|---|---|
| of the tests | the report is at most {RULES.tests_days:g} days old, and of the code of now; what failed or was skipped proves nothing |
| of a retraining | the newest is at most {RULES.retrain_days:g} days old, and at least {RULES.repeats} are on record |
| of a night | the newest was recorded at most {RULES.night_days:g} days ago, and at least {RULES.repeats} are on record |
| by hand | half a point is all |
| any | older than {RULES.documented_days:g} days it gives nothing |

Days are those of the machine's clock, not of the data: what counts is when a check was made. What speaks *against* a test (a skewed
feature, a champion past the audit trail, a version trained again with other weights, a test that failed) takes its point away, whatever
else is there.

| score | the paper says |
|---|---|
"""

TAIL = """\
This page is written from `tasks/readiness/rubric.py` by `python -m tests.conventions.ml_test_score`; a test holds it to that.
"""


def text() -> str:
    """Return the whole page."""
    rows, below = [], 0.0
    for most, told in READINGS:
        rows.append(f"| {f'above {below:g}, up to {most:g}' if most else '0'} | {told} |")
        below = most
    rows.append(f"| above {below:g} | {BEYOND} |")
    return f"{HEAD}{chr(10).join(rows)}\n\n{rubric([entry.item for entry in RUBRIC])}\n{TAIL}"


if __name__ == "__main__":
    PAGE.write_text(text())
    print(f"{PAGE}: written")
