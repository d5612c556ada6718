"""Every threshold, cost and owner of the use case, each with its reason.

Few rows decide most of them: 1,989 applications, ten a day, of which one in eight is refused. What is the same as for any other data
(looks, levels, seeds) has the same value as in the first example, and its reason stands there too.
"""

from __future__ import annotations

from tasks.artifacts.backtest import BacktestRules
from tasks.artifacts.behaviour import BehaviourLimit, BehaviourRules
from tasks.artifacts.compression import CompressionConfig, CompressionRules, Ranges
from tasks.artifacts.data_value import DataValueRules
from tasks.artifacts.fairness import FairnessLimits, FairnessRules
from tasks.artifacts.monitoring import DriftRules, LabellingRules, MonitoringRules, QualityRules, ServedRules, TriggerRules
from tasks.artifacts.readiness import ReadinessRules
from tasks.artifacts.search import Range, SearchConfig
from tasks.artifacts.serving import GuardRules, ServiceRules
from tasks.artifacts.settings import (
    BaselineConfig,
    BatchRules,
    Costs,
    LoadRules,
    NetworkConfig,
    Outcome,
    Processes,
    PromotionRules,
    SegmentRules,
    TrainingConfig,
)
from tasks.artifacts.usage import Prices
from tasks.artifacts.vocabulary import Vocabulary

USE_CASE = "boston-refused-loans"
NAMES = Vocabulary(row="application", rows="applications")
MODEL_NAME = "boston-refused-loans"
OWNER = "loan-review"
ALERT_EMAILS = ("loan-review@example.com",)

LABELS_COMPLETE_AFTER_HOURS = 7 * 24
"""A local day is labelled when this many hours have passed since its end: each application is decided a week after it came."""

TRAINING = TrainingConfig(
    network=NetworkConfig(
        k=8,  # an ensemble costs little of so small a network
        width=32,  # 1,000 rows to learn from
        blocks=1,
        dropout=0.3,  # of so few rows
        embedding_width=4,
        bins=8,  # a hundred rows a bin
        epochs=20,  # passes over so few rows take half a second each
        batch_rows=64,  # enough steps a pass
        learning_rate=0.003,
        weight_decay=0.03,
        averaging_decay=0.98,  # the last fifty steps
    ),
    baselines=BaselineConfig(lightgbm_rounds=100, lightgbm_leaves=7, lightgbm_learning_rate=0.05),
    evaluation_days=56,  # 560 applications, of which 70 are refused
    folds=2,
    fold_days=28,
    training_days=56,
)
"""Defaults of training; see `tasks/artifacts/settings.py` for every setting, its meaning and its range."""

LOAD = LoadRules(
    ingest_days=366,  # ten applications a day: years of them are one commit
    feature_days=366,  # a block reads the days that features look back on, too: the longer, the less of that
    at_once=4,  # more pods than a few years give blocks
)
"""How `make load` cuts history into what several pods bring side by side; nights stay in one pod. See docs/operations/sizing.md."""

PROCESSES = Processes(nodes=1, per_node=1)
"""Who trains the network: a second on one core."""

OUTCOMES: tuple[Outcome, ...] = ()
"""What the network learns beside the label: a refusal has no number that tells more of it."""

SEARCH = SearchConfig(
    trials=20,  # half of them at random, then where the others did well
    at_once=4,
    fewest_before_pruning=4,
    space=[
        Range(setting="k", low=4, high=16, step=4),
        Range(setting="width", low=16, high=64, step=16),
        Range(setting="dropout", low=0.0, high=0.5),
        Range(setting="bins", low=4, high=16, step=4),
        Range(setting="epochs", low=10, high=40),
        Range(setting="learning_rate", low=0.001, high=0.01, is_log=True),
        Range(setting="weight_decay", low=0.001, high=0.3, is_log=True),
    ],
    seed=1990,
)
"""How `make search` looks for better values of `TRAINING.network`."""

COSTS = Costs(
    missed=5.0,  # a refusal that nobody looked at twice
    needless=1.0,  # a second look at an application that is approved; the unit of cost
)

BATCH = BatchRules(
    # A day has ten rows: its shares and medians jump, and only what cannot be chance stops a batch.
    weeks=8,
    fewest_weeks=4,
    fewest_rows_a_day=5,  # half of a day
    missing_days_warn=1,
    missing_days_stop=3,
    thin_day_share_warn=0.75,
    thin_day_share_stop=0.4,
    full_day_share_warn=1.5,
    full_day_share_stop=1.9,
    null_rise_warn=0.4,  # four of ten
    null_rise_stop=0.8,
    late_days=7,  # what the lender does is known a week later
    fewest_values=4,  # of ten rows
    scale_warn=3.0,  # of the range's width: one rich applicant is a tenth of a day
    scale_stop=20.0,  # dollars for thousands of dollars: above 100
    level_warn=3.0,
    level_stop=8.0,  # a month's income for a year's: above 10
    level_days=7,
    held_level_stop=0.5,
    new_values_stop=4,  # codes in another system
    few_values=20,
    label_correlation=0.95,  # of ten rows one of 0.7 is chance
    label_share_warn=0.5,
    label_share_stop=0.2,
    repeated_share_stop=0.01,
    gap_readings_warn=3,
    stale_hours_warn=48,  # a day without applications is no news
    stale_hours_stop=96,
    newest_share_warn=0.5,
    quarantined_share_warn=0.02,  # twenty rows of the file, one in a hundred, break a rule
    quarantined_share_stop=0.05,
    quarantined_day_share_warn=0.3,  # three of ten
    quarantined_day_share_stop=0.6,
)

SEGMENT_RULES = SegmentRules(
    fewest_rows=30,
    fewest_days=7,
    search_rows=5_000,
    search_features=5,
    smallest_share=0.1,  # 56 rows
    least_excess=0.02,
    most_found=3,
    level=0.05,
)

PROMOTION = PromotionRules(
    lightgbm_log_loss_ratio=1.05,  # of 560 rows two models of the same quality differ by that much
    logistic_gain=-0.02,  # of so few rows a logistic regression is as good; the network must not be worse by more than chance
    incumbent_gain=0.001,
    segment_loss=0.1,
    segment_days=28,
    segment_rows=150,  # with fewer the interval of equal models is wider than what is allowed
    level=0.05,
    review_first_model=False,
    review_changed_features=True,
    review_changed_contract=True,
)

BACKTEST = BacktestRules(
    learner="lightgbm",
    start_every_days=14,  # 140 more applications
    serving_delay_days=1,
    cadences=[1, 2],
    psi=0.2,
    naive_days=14,
    residual_days=14,
    residual_z=3.0,
    cool_down_days=14,
    gate_margin=PROMOTION.incumbent_gain,
    phases=2,
    random_schedules=200,
    least_gain_share=0.9,
    most_promotions_share=1 / 2,
    most_beaten_share=0.05,
)
"""How policies of retraining are replayed over history; with half a year of rows that do not drift, none can be recommended."""

_WIDE = FairnessLimits(
    equal_opportunity=0.4,  # twelve refusals of a group leave 0.3 to chance
    equalized_odds=0.4,
    demographic_parity=0.4,
    disparate_impact=0.2,
)
FAIRNESS = FairnessRules(
    # A limit is broken when the difference is beyond it for certain; near it, a person looks.
    fewest_rows=30,
    fewest_days=14,
    fewest_of_a_class=8,
    near=0.9,
    limits={
        # Black and Hispanic applicants were refused 32 and 23 times in a hundred, white ones 9: a model of what lenders did flags
        # them more often, whatever it reads. What these limits keep out is one that flags nearly all of them.
        "race": FairnessLimits(equal_opportunity=0.5, equalized_odds=0.5, demographic_parity=0.5, disparate_impact=0.15),
        "sex": _WIDE,
        "marital status": _WIDE,
        "age": _WIDE,
    },
)
"""How much the decisions may differ between the groups of each attribute of `segments.SENSITIVE`."""

APPROVAL_HOURS = 72.0
"""How long a person's approval holds."""

MONITORING = MonitoringRules(
    drift=DriftRules(
        false_alarms_a_year=0.25,
        looks_a_year=280.0,
        windows=[7, 28],  # two days are twenty rows
        reference_days=112,
        fewest_reference_days=28,
        permutations=5_000,
        classifier_days=14,
        classifier_rows=1_000,
    ),
    quality=QualityRules(
        days=28,
        fewest_days=7,
        decay_margin=0.1,  # of 280 rows the mean loss moves by that much
        fewest_labelled_share=0.5,  # every application is decided
        roll_back_days=28,
        roll_back_margin=0.01,
        roll_back_level=0.001,
    ),
    served=ServedRules(
        days=7,
        stale_hours=48.0,
        volume_share=0.5,
        violations_share=0.01,
        skew_tolerance=1e-4,
        skewed_share=0.01,
        errors_share=0.01,
    ),
    labelling=LabellingRules(
        budget=5,  # half of a day
        exploration_share=0.4,
        unusual_share=0.3,
    ),
    trigger=TriggerRules(
        every_days=28,
        new_labelled_days=28,
        oldest_days=112,
        drift_groups=["loan", "applicant", "credit"],
        alarms_needed=2,
        alarms_of=3,
        cool_down_days=7,
        most_missed_nights=7,
        lease_hours=24.0,
        rolls_back=True,
    ),
)

BEHAVIOUR = BehaviourRules(
    rows=500,
    seed=1990,
    limits={
        # Nothing of a person is an input; what is left is float32 in another order of the rows.
        "other applicants": BehaviourLimit(tolerance=1e-6, least_share=1.0),
        "more obligations": BehaviourLimit(tolerance=0.1, least_share=0.9),
        "no word of assets": BehaviourLimit(tolerance=0.2, least_share=0.9),
        "unseen kind of house": BehaviourLimit(tolerance=0.2, least_share=0.9),
        "noise": BehaviourLimit(tolerance=0.15, least_share=0.9),
        "hostile step": BehaviourLimit(tolerance=0.0, least_share=0.8),
        # A day has two such loans: one surprise is half of them.
        "rare loans": BehaviourLimit(tolerance=0.5, least_share=0.6),
    },
)
"""What `behaviour.py` expects must hold: how far a row may go against it, and on what share of the rows it may not."""

DATA_VALUE = DataValueRules(
    no_value_log_loss=0.001,
    least_gain_log_loss=0.005,
    importance_rows=500,
    importance_repeats=5,  # cheap, of so few rows
    history_shares=[0.25, 0.5, 1.0],
    inner_share=0.25,
    seed=1990,
)

GOLDEN_ROWS = 300
PACKAGE_TOLERANCE = 1e-5
"""Largest difference in probability between the package and the training code: float32 through another runtime."""

SERVICE = ServiceRules(
    entity=["property", "mortgage_history", "consumer_history"],  # every request has them; who applies is not known to the service
    most_rows=200,
    most_bytes=1_000_000,  # 200 applications are 120 kB
    requests_per_second=200.0,
    burst=400,
    state_stale_hours=6.0,  # it is published every hour: six that are missed are a fault
    poll_seconds=0.5,
    segment_bytes=16_000_000,
    segment_seconds=300.0,
    shadow_rows=2_000,
    unapproved_share=0.0,  # applicants of a trial are applicants
    explain_rows=10,
    ready_seconds=10.0,
    p99_ms=100.0,
    memory_mb=400.0,
    guard=GuardRules(
        fewest_requests=50,
        excess_errors=0.01,
        latency_ratio=2.0,
        fewest_scores=500,
        score_shift=0.25,
        level=0.01,
        fewest_outcome_days=14,
        loss=0.0,
    ),
)
"""How predictions are served, and when a new model goes back by itself."""

READINESS = ReadinessRules(
    # In days of the machine's clock, whatever the data's: what is asked is whether checks are made today.
    tests_days=7.0,  # they run with every change
    retrain_days=14.0,  # one is due every week: one may fail
    night_days=3.0,  # one a night: a long weekend of failures is seen
    documented_days=180.0,  # what was found by hand before half a year was of other data and other code
    repeats=2,  # once shows that it can be done, twice that it is done again
    no_value_share=0.5,  # of few rows no more can be told apart from chance
    feature_seconds=60.0,  # a night waits a minute, no longer
    paired_nights=7,  # of fewer nights any correlation is chance
    slowdown=3.0,  # a busy machine takes twice as long
    fewest_seconds=1.0,  # shorter ones are imports and waiting
)
"""How old evidence for the ML Test Score may be, and what a point needs."""

PRICES = Prices(
    # An assumption, about what large clouds list on demand in 2026: put your own provider's here.
    currency="USD",
    cpu_core_hour=0.04,
    memory_gib_hour=0.0045,
    gpu_hour=0.7,
    energy_kwh=0.0,
)
"""What a run's account is priced with."""

SMALLER = CompressionConfig(
    network=NetworkConfig(
        k=2, width=16, blocks=1, embedding_width=4, bins=8, epochs=20, batch_rows=64, learning_rate=0.003, averaging_decay=0.98, dropout=0.0
    ),
    teacher_share=1.0,
    ranges=Ranges.STATIC,
    calibration_rows=500,
    seed=1990,
)
"""How `make compress` makes smaller forms of the network."""

COMPRESSION = CompressionRules(
    log_loss=0.005,
    calibration_error=0.01,
    segment_log_loss=0.05,
    segment_days=28,
)
"""What a smaller form may give up."""
