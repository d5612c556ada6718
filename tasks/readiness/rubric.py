"""The rubric as data: 28 tests in four sections, each with what proves it here and how that is looked for.

After Breck et al., "The ML Test Score: A Rubric for ML Production Readiness and Technical Debt Reduction", IEEE Big Data 2017;
titles as there. What a point needs beyond the evidence itself (its age, its repetition) stands in `scoring.py`.
"""

from __future__ import annotations

from tasks.artifacts.readiness import Cadence, Combine, Item, Need, Section
from tasks.readiness import served, trained, watched
from tasks.readiness.installation import Look
from tasks.readiness.scoring import Entry
from tasks.readiness.tested import passed

_TRAIL, _DOSSIER, _NIGHTS, _USAGE = "lake `audit`", "dossier of the newest version", "lake `nights`", "lake `usage`"
_REPEATED = {
    Cadence.RETRAIN: "part of each retraining; the newest is recent, and not the only one",
    Cadence.NIGHT: "part of each night; the newest is recent, and not the only one",
    Cadence.TESTS: "part of `make test`; the newest report is recent and of the code of now",
}
_ONCE = {
    Cadence.RETRAIN: "one retraining, or an old one",
    Cadence.NIGHT: "one night, or an old one",
    Cadence.TESTS: "an old report, or one of other code",
}


def _tests(*files: str) -> tuple[Need, Look]:
    what = f"the tests passed: {', '.join(f'`{name}`' for name in files)}"
    return Need(what=what, where="report of `make test`", cadence=Cadence.TESTS, earn="make test"), passed(*files)


def _retrain(what: str, look: Look, where: str = _DOSSIER) -> tuple[Need, Look]:
    return Need(what=what, where=where, cadence=Cadence.RETRAIN, earn="make retrain"), look


def _night(what: str, look: Look, earn: str = "make monitor", where: str = _NIGHTS) -> tuple[Need, Look]:
    return Need(what=what, where=where, cadence=Cadence.NIGHT, earn=earn), look


def _other(what: str, look: Look, where: str, earn: str, cadence: Cadence = Cadence.HAND) -> tuple[Need, Look]:
    return Need(what=what, where=where, cadence=cadence, earn=earn), look


def _entry(
    section: Section,
    number: int,
    title: str,
    *needs: tuple[Need, Look],
    combine: Combine = Combine.ALL,
    half: str = "",
    full: str = "",
) -> Entry:
    cadences = list(dict.fromkeys(need.cadence for need, _ in needs))
    half = half or "; ".join(_ONCE[cadence] for cadence in cadences if cadence in _ONCE)
    full = full or "; ".join(_REPEATED[cadence] for cadence in cadences if cadence in _REPEATED)
    item = Item(section=section, number=number, title=title, needs=[need for need, _ in needs], combine=combine, half=half, full=full)
    return Entry(item, tuple(look for _, look in needs))


_PRACTISED = "either of the two: the tests alone, or done here alone"
_AND_HERE = "the tests passed lately on the code of now, and it was done here as well"

_DATA = (
    _entry(
        Section.DATA,
        1,
        "Feature expectations are captured in a schema",
        _retrain("the newest data were held against the contract of now", trained.contract_held),
    ),
    _entry(
        Section.DATA,
        2,
        "All features are beneficial",
        _retrain("what losing each feature costs is known, and few are of no value", trained.features_matter),
    ),
    _entry(
        Section.DATA,
        3,
        "No feature's cost is too much",
        _other("all features together are made in little time", trained.features_are_cheap, _USAGE, "make monitor", Cadence.RETRAIN),
        _retrain(
            "a request with all features is answered within the limit",
            trained.judged(lambda c: c.name in ("service p99", "service memory"), "latency and memory of the service"),
            _TRAIL,
        ),
    ),
    _entry(
        Section.DATA,
        4,
        "Features adhere to meta-level requirements",
        _tests("tests/data/test_leak.py", "tests/unit/usecase/test_contract.py"),
        _retrain("every input of the newest candidate is declared, and none is restricted", trained.inputs_keep_the_rules),
    ),
    _entry(
        Section.DATA,
        5,
        "The data pipeline has appropriate privacy controls",
        _tests(
            "tests/e2e/test_sensitive.py",
            "tests/data/test_ingest.py::test_a_restricted_value_is_masked_where_its_row_is_set_aside",
        ),
        _other(
            "no restricted column stands in a table that was made of the source's",
            served.lake_shows_no_restricted_value,
            "the lake",
            "make retrain",
            Cadence.NOW,
        ),
    ),
    _entry(
        Section.DATA,
        6,
        "New features can be added quickly",
        _tests("tests/e2e/test_new_feature.py"),
    ),
    _entry(
        Section.DATA,
        7,
        "All input feature code is tested",
        _tests(
            "tests/unit/usecase/test_features.py",
            "tests/unit/usecase/test_online.py",
            "tests/unit/features/test_store.py",
            "tests/data/test_leak.py",
            "tests/data/test_parity.py",
            "tests/data/test_distribution.py",
        ),
    ),
)

_MODEL = (
    _entry(
        Section.MODEL,
        1,
        "Model specs are reviewed and submitted",
        _other(
            "the champion is of a commit without stray changes, and a person approved it",
            trained.specification,
            "registry; lake `audit`",
            'a commit; make retrain; make approve VERSION=... BY="..." REASON="..." DOSSIER=...',
            Cadence.RETRAIN,
        ),
        half="the champion's code is in a commit that its version names",
        full="a person approved the champion on its dossier as well, and it was registered lately",
    ),
    _entry(
        Section.MODEL,
        2,
        "Offline and online metrics correlate",
        _night(
            "nights have the loss of served predictions beside the champion's offline one",
            watched.online_follows_offline,
            "make serve; predictions and what came of them; make collect; make monitor",
        ),
        half="one such night, or too few for a correlation",
        full="enough such nights, and both losses go together",
    ),
    _entry(
        Section.MODEL,
        3,
        "All hyperparameters have been tuned",
        _other(
            "a search found the settings that are used", trained.settings_searched, "MLflow; searches/; `docs/searches/`", "make search"
        ),
        half="a search on record found the settings of the newest candidate",
        full="none: no search is started by itself",
    ),
    _entry(
        Section.MODEL,
        4,
        "The impact of model staleness is known",
        _other(
            "the cost of an older model is measured",
            trained.staleness_known,
            "backtest/; lake `nights`",
            "make backtest",
            Cadence.NIGHT,
        ),
        half="a backtest, or a night that tells how far the loss is above the champion's evaluation",
        full="nights compare the champion with an older version on the same rows",
    ),
    _entry(
        Section.MODEL,
        5,
        "A simpler model is not better",
        _retrain(
            "the gate compared the candidate with simpler models",
            trained.judged(lambda c: c.name in ("gain over logistic regression", "log-loss against LightGBM"), "simpler models"),
            _TRAIL,
        ),
    ),
    _entry(
        Section.MODEL,
        6,
        "Model quality is sufficient on important data slices",
        _retrain("segments were measured, and held to the champion's", trained.slices_judged, f"{_DOSSIER}; {_TRAIL}"),
        _night("the champion's segments are held to its evaluation", watched.slices_hold),
        combine=Combine.EITHER,
        half="either of the two: at the retraining alone, or night by night alone; or a first model, which has none to be held to",
        full="each retraining holds segments to the champion's, each night to its evaluation",
    ),
    _entry(
        Section.MODEL,
        7,
        "The model is tested for considerations of inclusion",
        _retrain("differences between sensitive groups were measured and judged", trained.groups_judged, f"{_TRAIL}; {_DOSSIER}"),
    ),
)

_INFRASTRUCTURE = (
    _entry(
        Section.INFRASTRUCTURE,
        1,
        "Training is reproducible",
        _tests("tests/e2e/test_lineage.py::test_a_version_trained_again_has_the_same_weights_to_the_bit"),
        _other("a version of this installation was trained again", served.reproduced, "lake `proofs`", "make reproduce VERSION=1"),
        combine=Combine.PRACTISED,
        half=_PRACTISED,
        full=_AND_HERE,
    ),
    _entry(
        Section.INFRASTRUCTURE,
        2,
        "Model specs are unit tested",
        _tests(
            "tests/model/test_network.py",
            "tests/model/test_training.py",
            "tests/model/test_checkpoints.py",
            "tests/model/test_trained.py",
            "tests/unit/model/test_preprocessing.py",
        ),
    ),
    _entry(
        Section.INFRASTRUCTURE,
        3,
        "The ML pipeline is integration tested",
        _tests("tests/e2e/test_retrain.py", "tests/e2e/test_monitor.py", "tests/e2e/test_serve.py"),
    ),
    _entry(
        Section.INFRASTRUCTURE,
        4,
        "Model quality is validated before serving",
        _retrain("the champion rests on a decision in a whole audit trail", trained.gate_guards, _TRAIL),
    ),
    _entry(
        Section.INFRASTRUCTURE,
        5,
        "The model is debuggable",
        _tests(
            "tests/e2e/test_governance.py::test_a_flight_is_explained_in_words_and_on_a_page", "tests/unit/evaluation/test_explanation.py"
        ),
        _other("a prediction of this installation was explained", served.explained, _USAGE, "make explain ROW=..."),
        combine=Combine.PRACTISED,
        half=_PRACTISED,
        full=_AND_HERE,
    ),
    _entry(
        Section.INFRASTRUCTURE,
        6,
        "Models are canaried before serving",
        _other(
            "the version that answers all was a canary before, and was judged by what came",
            served.canaried,
            f"{_TRAIL}; {_USAGE}",
            "make rollout VERSION=... MODE=canary SHARE=0.1; make collect",
            Cadence.NIGHT,
        ),
        half="some version was a canary",
        full="the one that answers all was one first, and nightly collections have judged it by its outcomes",
    ),
    _entry(
        Section.INFRASTRUCTURE,
        7,
        "Serving models can be rolled back",
        _tests("tests/e2e/test_approval.py", "tests/unit/serving/test_rollout.py::test_a_rollback_is_followed_by_what_is_served"),
        _other("a version of this installation was brought back", served.rolled_back, _TRAIL, 'make rollback TO=... BY="..." REASON="..."'),
        combine=Combine.PRACTISED,
        half=_PRACTISED,
        full=_AND_HERE,
    ),
)

_MONITORING = (
    _entry(
        Section.MONITORING,
        1,
        "Dependency changes result in notification",
        _night("the night compared packages, contract, features and source with the time before", watched.dependencies_watched),
    ),
    _entry(
        Section.MONITORING,
        2,
        "Data invariants hold for inputs",
        _night("the night's data passed validation, and served inputs keep their contract", watched.invariants_hold),
        half="only the data of training were looked at; or one night, or an old one",
    ),
    _entry(
        Section.MONITORING,
        3,
        "Training and serving are not skewed",
        _retrain("the candidate's service answers as the training code does", trained.service_parity),
        _night(
            "logged features were compared with the lake's",
            watched.no_skew,
            "make serve; predictions; make collect; make monitor",
        ),
        combine=Combine.EITHER,
        half="either of the two: of the model alone, or of its features alone",
        full="the service answers as trained at each retraining, and logged features are compared with the lake's",
    ),
    _entry(
        Section.MONITORING,
        4,
        "Models are not too stale",
        _night("the champion's age is below the limit", watched.not_stale),
    ),
    _entry(
        Section.MONITORING,
        5,
        "Models are numerically stable",
        _retrain("losses of all epochs and folds are finite", trained.losses_are_finite),
        _night("probabilities on the newest rows are finite", watched.probabilities_are_finite),
    ),
    _entry(
        Section.MONITORING,
        6,
        "Computing performance has not regressed",
        _retrain(
            "the service keeps its limits of latency, memory and start",
            trained.judged(lambda c: c.name in ("service p99", "service memory", "service ready"), "the service's performance"),
            _TRAIL,
        ),
        _night("no task took far longer than ever before", trained.performance_holds, "make monitor", _USAGE),
        combine=Combine.EITHER,
        half="either of the two: the service alone, or the tasks alone",
        full="the service is held to its limits at each retraining, and the tasks' seconds to those before",
    ),
    _entry(
        Section.MONITORING,
        7,
        "Prediction quality has not regressed",
        _night("the champion does not decay on labelled days", watched.quality_holds),
        half="only the expected loss is known, before labels; or one night, or an old one",
    ),
)

RUBRIC: tuple[Entry, ...] = (*_DATA, *_MODEL, *_INFRASTRUCTURE, *_MONITORING)
"""All 28, in the order of the paper."""
