"""Every threshold, cost and owner of the use case, each with its reason."""

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

USE_CASE = "nyc-late-flights"
"""What reports, cards and the dossier call the use case."""

NAMES = Vocabulary(row="flight", rows="flights")
"""What a row of the main table is called where people read."""

MODEL_NAME = "nyc-late-flights"
"""The name that versions are registered under, and that answers of the service carry."""

OWNER = "flight-operations"
"""Who answers for the model: a label of every execution, and a line of the model card."""

ALERT_EMAILS = ("flight-operations@example.com",)
"""Who is told of a run that failed, in staging and in production: an example, so put your own here."""

LABELS_COMPLETE_AFTER_HOURS = 12
"""A local day is labelled when this many hours have passed since its end: by then all but a handful have landed."""

TRAINING = TrainingConfig(network=NetworkConfig(), baselines=BaselineConfig())
"""Defaults of training; see `tasks/artifacts/settings.py` for every setting, its meaning and its range."""

LOAD = LoadRules(
    ingest_days=31,  # one commit: half a second of work for 30,000 flights, a minute for a hundred times as many
    feature_days=92,  # each block reads the month before it too: a quarter costs a third more, a month twice
    at_once=16,  # writers of other days do not conflict, but each commit waits for those before it
)
"""How `make load` cuts history into what several pods bring side by side, and how many days `make score` has in hand at once; nights
stay in one pod. See docs/operations/sizing.md."""

PROCESSES = Processes(nodes=1, per_node=1)
"""Who trains the network: one device is enough for a few million rows."""

OUTCOMES = (
    # In minutes: by how much a flight was late tells more than that it was; on the folds log-loss 0.4986 instead of 0.5012.
    Outcome(column="arrival_delay", thresholds=[-15, 0, 30, 60, 120]),
    Outcome(column="departure_delay", thresholds=[0, 15, 60]),
)
"""What the network learns beside the label, and the served model leaves away (Caruana, "Multitask learning", 1997)."""

SEARCH = SearchConfig(
    trials=20,  # half of them at random, then where the others did well
    at_once=4,  # few enough that each learns from most of those before it
    fewest_before_pruning=4,  # a median of fewer is chance
    space=[
        # Nothing here trains for longer than a retrain of five minutes on two cores allows.
        Range(setting="k", low=2, high=8, step=2),
        Range(setting="width", low=64, high=128, step=16),
        Range(setting="blocks", low=1, high=2),
        Range(setting="dropout", low=0.0, high=0.3),
        Range(setting="embedding_width", low=4, high=8, step=2),
        Range(setting="bins", low=16, high=48, step=16),
        Range(setting="epochs", low=2, high=3),  # early stopping by another name: the rate falls to nothing in as many
        Range(setting="batch_rows", low=128, high=512, is_log=True),
        Range(setting="learning_rate", low=0.001, high=0.005, is_log=True),
        Range(setting="weight_decay", low=0.0001, high=0.1, is_log=True),
        Range(setting="averaging_decay", low=0.99, high=0.9995),
        Range(setting="outcome_weight", low=4, high=20, is_log=True),
    ],
    seed=2013,
)
"""How `make search` looks for better values of `TRAINING.network`: around those of today."""

COSTS = Costs(
    missed=4.0,  # an unannounced late arrival: missed connections, rebooking
    needless=1.0,  # a warning about a flight that is on time: a re-check by hand; the unit of cost
)

BATCH = BatchRules(
    # In brackets: the furthest that the real days of 2013 go (`tests/data/test_batches.py` judges them all).
    weeks=8,  # two months: short enough for the season, long enough for a holiday not to be the rule
    fewest_weeks=4,  # a median of three is moved by two odd days
    fewest_rows_a_day=20,  # shares of fewer rows are chance
    missing_days_warn=1,  # one day without flights has a reason worth reading
    missing_days_stop=3,  # three are an outage of the feed
    thin_day_share_warn=0.75,  # holidays go below [0.64 on Thanksgiving]
    thin_day_share_stop=0.4,  # half of a feed is gone, and more
    full_day_share_warn=1.5,  # [1.25, the Saturday after Thanksgiving]
    full_day_share_stop=1.9,  # a day that came twice, less a few rows
    null_rise_warn=0.35,  # storms cancel half of a day, sensors fail for a day
    null_rise_stop=0.7,  # no storm empties a column [0.56, the blizzard of 9 February]
    fewest_values=3,  # a dry or clear day is constant too, yet such columns often are [none]
    scale_warn=0.9,  # of the range's width [0.56]
    scale_stop=1.5,  # miles to kilometres, HHMM to minutes, minutes to hours: all above 1.5
    level_warn=2.0,  # holidays and storms move a median [2.4 on 8 March]
    level_stop=4.0,  # minutes to seconds: above 5
    level_days=7,  # a cold week, as that of 23 October, leaves the range by little; a sensor in another unit stays far
    held_level_stop=0.25,  # of the width of the range [0.14]; degrees Celsius for Fahrenheit 0.3 and more
    new_values_stop=5,  # codes in another system; two routes open at once with the season
    few_values=20,  # airports of origin (3) and carriers (16); destinations (105) come and go with the season
    label_correlation=0.6,  # only the departure's delay goes with the arrival's so closely, at 0.7 to 0.95
    label_share_warn=0.75,  # [0.85]
    label_share_stop=0.5,  # half of the labels stand in another row
    repeated_share_stop=0.01,  # ingest keeps one of each key: one in a hundred cannot be
    gap_readings_warn=3,  # hours of weather; two are a station's pause
    stale_hours_warn=6,  # older readings are no feature any more
    stale_hours_stop=72,  # an outage, as with three missing days
    newest_share_warn=0.75,  # one station of three is silent
    quarantined_share_warn=0.001,  # one row in a thousand is worth a look
    quarantined_share_stop=0.05,  # one row in twenty wrong is a broken feed, not bad luck
    quarantined_day_share_warn=0.05,  # of one day: a year hides a day
    quarantined_day_share_stop=0.6,  # what is left is no sample of the day; a day delivered twice keeps a whole copy
)

SEGMENT_RULES = SegmentRules(
    fewest_rows=30,  # a mean of fewer is chance
    fewest_days=7,  # a bootstrap of fewer days is too narrow
    search_rows=5_000,  # trees of seconds; what they find is looked at again on all rows of other days
    search_features=5,  # ten pairs
    smallest_share=0.05,  # smaller ones cannot be confirmed in two weeks
    least_excess=0.01,  # log-loss; less would not be worth a person's time
    most_found=5,  # the worst of ten pairs, most of which overlap
    level=0.05,  # one search in twenty confirms a segment that is none
)

PROMOTION = PromotionRules(
    lightgbm_log_loss_ratio=1.02,  # within 2 % of the model that a user would pick instead
    logistic_gain=0.0,  # log-loss below that of the simple baseline
    # Lower bound of the paired gain in log-loss over the champion: what another seed of training moves is no gain (docs/backtest.md).
    incumbent_gain=0.001,
    segment_loss=0.02,  # 2 % of a segment's log-loss are more than a season's retraining gains
    segment_days=14,  # fewer days give no usable interval
    segment_rows=900,  # of 28 days; with fewer the interval of equal models is wider than what is allowed
    level=0.05,  # over all segments together
    review_first_model=False,  # a first model goes live when it holds against both baselines
    review_changed_features=True,  # what the service must be sent has changed
    review_changed_contract=True,  # the data mean something else than those that the champion learned from
)

BACKTEST = BacktestRules(
    learner="lightgbm",  # as good as the network here, in a minute a start
    start_every_days=7,  # the weekly challenger's launch plan
    serving_delay_days=1,  # the labels of the evaluation are complete in the afternoon of the start
    cadences=[1, 2, 4, 8],  # weekly is the shortest: what the others are measured by
    psi=0.2,  # the usual rule of thumb
    naive_days=7,  # each weekday once
    residual_days=7,  # the same
    residual_z=3.0,  # the usual three standard errors
    cool_down_days=7,  # as the monitor's
    gate_margin=PROMOTION.incumbent_gain,  # the gate's own
    phases=12,  # three of each phase of a cadence of four weeks
    random_schedules=1_000,  # one in twenty is fifty of them
    least_gain_share=0.9,  # a tenth of the gain is worth two thirds of the promotions
    most_promotions_share=1 / 3,
    most_beaten_share=0.05,  # what chance does as often is no policy
)
"""How policies of retraining are replayed over history, and when one is recommended."""

FAIRNESS = FairnessRules(
    # In brackets: the models of 1 October and of 1 November 2013, each on its evaluation days. A limit is broken when the
    # difference is beyond it for certain; near it, a person looks.
    fewest_rows=100,  # of fewer flights in four weeks a rate tells of the weather of a few days; small communities have 168 and more
    fewest_days=10,  # a bootstrap of fewer days is too narrow, even with the tails of Student's t
    fewest_of_a_class=20,  # one late flight of fewer moves a true positive rate by more than 0.05
    near=0.9,  # of the way to a limit: the last tenth is within what another month brings
    limits={
        # Flights to small communities are late more often (18 % to 13 %), so that equal rates of warnings are no aim.
        "air service": FairnessLimits(
            equal_opportunity=0.3,  # a late flight is announced as often: the aim; 50 late flights leave 0.2 to chance [0.17, 0.22]
            equalized_odds=0.35,  # needless warnings too [0.17, 0.28]
            demographic_parity=0.4,  # [0.19, 0.33]
            disparate_impact=0.3,  # [0.50, 0.41] four fifths would ask for warnings that no delay explains
        ),
        # Of some carriers a quarter is late and of others a tenth, at one threshold for all: what these limits keep out is a
        # model that leaves a carrier without warnings, or warns of nearly all of its flights.
        "carrier": FairnessLimits(
            equal_opportunity=0.65,  # [0.35, 0.56]
            equalized_odds=0.7,  # [0.39, 0.62]; 0.8 with a model of two months ago
            demographic_parity=0.75,  # [0.41, 0.66]
            disparate_impact=0.05,  # [0.21, 0.15]
        ),
    },
)
"""How much the decisions may differ between the groups of each attribute of `segments.SENSITIVE`."""

APPROVAL_HOURS = 72.0
"""How long a person's approval holds: over a weekend, and not into the next week, when the days it rests on are past."""

MONITORING = MonitoringRules(
    drift=DriftRules(
        false_alarms_a_year=0.25,  # one year in four calls a drift that is none: an alarm costs a look, a missed fault a month
        looks_a_year=280.0,  # measured: 365 nights of windows that overlap (`make bench NAME=monitoring`)
        windows=[2, 7, 14],  # a broken feed shows in two days, a season in two weeks
        reference_days=168,  # half a year: it takes so many days to see which numbers are wild by themselves
        fewest_reference_days=28,  # of fewer, only the longer windows can be rare
        permutations=20_000,  # each pair of 182 days once
        classifier_days=7,  # a week has each weekday once
        classifier_rows=20_000,  # two seconds
    ),
    quality=QualityRules(
        days=28,  # as many as a candidate is judged on
        fewest_days=7,  # a shorter window differs by its weekdays alone
        decay_margin=0.03,  # by the lower bound of the difference: a season moves it by that much
        fewest_labelled_share=0.35,  # a blizzard cancels more than half of a day [0.43 on 9 February]
        roll_back_days=14,  # fewer give no usable interval
        roll_back_margin=0.002,  # twice what another seed of training moves
        roll_back_level=0.001,  # it is looked at every night
    ),
    served=ServedRules(
        days=7,  # a week has each weekday once
        stale_hours=48.0,  # a day without predictions, and the time until it is collected
        volume_share=0.5,  # half of a day is gone, and more
        violations_share=0.01,  # one client in a hundred that sends nonsense is worth a call
        skew_tolerance=1e-4,  # features are float32, sums of integers before that
        skewed_share=0.01,  # a late correction of a reading moves fewer
        errors_share=0.01,  # as the alert on errors
    ),
    labelling=LabellingRules(
        budget=50,  # what a person reads in an hour
        exploration_share=0.2,  # ten a night: seventy a week tell a rate to a tenth
        unusual_share=0.3,  # most of what is unusual is no more than that
    ),
    trigger=TriggerRules(
        every_days=7,  # a candidate a week behind the gate gains what weekly retraining does, with a ninth of its promotions
        new_labelled_days=28,  # as many as a candidate is judged on
        oldest_days=56,  # a model of eight weeks ago is worse for certain: a person should look why none was better
        drift_groups=["schedule", "state"],  # weather turns with the season, and no model is better for it
        alarms_needed=2,  # one night's alarm may be the day's
        alarms_of=3,  # a night between two alarms may be quiet
        cool_down_days=3,  # what evidence asks for between two weekly candidates waits for as long as a fault takes to be mended
        most_missed_nights=14,  # two weeks are caught up in a minute
        lease_hours=24.0,  # a training may take six, and begins anew when its machine is taken away
        rolls_back=True,  # to a version that was approved before, and is better for certain
    ),
)

BEHAVIOUR = BehaviourRules(
    # In brackets: the share that passes on the days of September, June and December 2013, renaming in September alone.
    rows=2_000,  # seventy a day: shares to a tenth of a percentage point, in half a second a test
    seed=2013,  # any: it draws the rows and the noise
    limits={
        # A number of a flight is no input; what is left is float32 in another order of the rows [1, largest move 0].
        "renamed flight numbers": BehaviourLimit(tolerance=1e-6, least_share=1.0),
        # Dips are a model's wiggle where late flights are rare in its rows [1, 0.999, 0.995].
        "more delay upstream": BehaviourLimit(tolerance=0.05, least_share=0.97),
        # A network without readings is blind to storms, not lost: in winter it misses them most [0.999, 0.976, 0.968].
        "missing weather": BehaviourLimit(tolerance=0.15, least_share=0.9),
        # What is known of an airport is in its delays; its name alone must not decide [1, 1, 1].
        "unseen destination": BehaviourLimit(tolerance=0.1, least_share=0.95),
        # Readings and delays are no better known than that [1, 0.998, 0.999].
        "noise": BehaviourLimit(tolerance=0.1, least_share=0.97),
        # Decisions turn close to the threshold only, where a twentieth of the rows lies [0.965, 0.957, 0.957].
        "hostile step": BehaviourLimit(tolerance=0.0, least_share=0.9),
        # A storm out of season surprises for a day, of a month's few [0.968, 1, 1].
        "rare storms": BehaviourLimit(tolerance=0.05, least_share=0.75),
    },
)
"""What `behaviour.py` expects must hold: how far a row may go against it, and on what share of the rows it may not."""

DATA_VALUE = DataValueRules(
    no_value_log_loss=0.0003,  # another seed of training moves 0.001
    least_gain_log_loss=0.0003,  # less is within a seed's luck
    importance_rows=3_000,  # 61 permutations, twice, take the network half a minute
    importance_repeats=2,  # more rows tell more than more permutations of the same rows
    history_shares=[0.125, 0.25, 0.5, 1.0],  # three gains, of which a power law fits two and more
    inner_share=0.25,  # three quarters are left to train on while the rounds are chosen
    seed=2013,  # any: it draws the sample of rows and the permutations
)

GOLDEN_ROWS = 1_000
"""Rows of the evaluation days on which what is served is compared with the training code: in a second."""

PACKAGE_TOLERANCE = 1e-5
"""Largest difference in probability between the package and the training code: float32 through another runtime."""

SERVICE = ServiceRules(
    entity=["carrier", "origin", "dest"],  # a carrier's route: its planners see the same model from day to day
    most_rows=1_000,  # a day of the largest carrier is 170
    most_bytes=4_000_000,  # 1,000 rows of all features are 1.9 MB, indented
    requests_per_second=200.0,  # a worker gives up to 1,000; one client must not take them all
    burst=400,  # two seconds of that
    state_stale_hours=6.0,  # as for readings of the weather: older ones are no feature any more
    poll_seconds=0.5,  # a rollback takes effect within a second
    segment_bytes=16_000_000,  # a few seconds of compaction
    segment_seconds=300.0,  # predictions are in the lake five minutes later
    shadow_rows=5_000,  # five of the largest requests: 15 MB, at 3 kB a row
    unapproved_share=0.0,  # passengers of a trial are passengers: without an approval it may score as shadow
    explain_rows=10,  # each takes about a thousand rows of the model
    ready_seconds=10.0,  # three, and what a busy machine takes beside
    p99_ms=100.0,  # a dispatcher's screen; ten and less on an idle machine
    memory_mb=400.0,  # 300, and the state of a larger airport
    guard=GuardRules(
        fewest_requests=50,  # of fewer, one failure is a fiftieth
        excess_errors=0.01,  # nobody accepts one failure in a hundred for a trial
        latency_ratio=2.0,  # the same network, trained anew, takes the same time; a blend takes less than twice
        fewest_scores=500,  # the index of equal distributions is below 0.05 from there on
        score_shift=0.25,  # above a quarter the usual reading is: another population
        level=0.01,  # one good canary in a hundred is sent back
        fewest_outcome_days=7,  # a bootstrap of fewer days is too narrow
        loss=0.0,  # worse for certain, by however little
    ),
)
"""How predictions are served, and when a new model goes back by itself."""

READINESS = ReadinessRules(
    # In days of the machine's clock: the flights are of 2013, and what is asked is whether checks are made today.
    tests_days=7.0,  # they run with every change; a week without any is no team at work
    retrain_days=14.0,  # one is due every week: one may fail
    night_days=3.0,  # one a night: a long weekend of failures is seen
    documented_days=180.0,  # half a year: what was found by hand before that was of other data and other code
    repeats=2,  # once shows that it can be done, twice that it is done again
    no_value_share=0.2,  # ice and fog are of no value in a September, and carry a winter [4 of 57]
    feature_seconds=60.0,  # a tenth of that for a year of flights; a night waits a minute, no longer
    paired_nights=7,  # of fewer nights any correlation is chance
    slowdown=3.0,  # a busy machine takes twice as long
    fewest_seconds=1.0,  # shorter ones are imports and waiting
)
"""How old evidence for the ML Test Score may be, and what a point needs."""

PRICES = Prices(
    # An assumption, about what large clouds list on demand in 2026: put your own provider's here.
    currency="USD",
    cpu_core_hour=0.04,  # general-purpose nodes and serverless containers ask 0.03 to 0.05
    memory_gib_hour=0.0045,  # the same lists ask 0.004 to 0.005
    gpu_hour=0.7,  # an inference-class GPU such as an L4; a training-class one costs five times that and more
    energy_kwh=0.0,  # list prices include it; on machines of your own, set the others to 0 or to their depreciation
)
"""What a run's account is priced with: what its tasks ask for, over the time that they run, and energy."""

SMALLER = CompressionConfig(
    network=NetworkConfig(
        k=2,  # four members gave up as much
        width=64,
        blocks=2,
        embedding_width=4,
        bins=24,
        batch_rows=256,
        learning_rate=0.003,
        averaging_decay=0.99,
        dropout=0.0,  # probabilities have none of the noise that labels have
        epochs=2,  # two more took twice the time and saved 0.00004 log-loss
    ),
    # With 0.7 it has 0.001 to 0.002 less log-loss, and goes twice as far from what was judged: another candidate, for the gate.
    teacher_share=1.0,
    ranges=Ranges.STATIC,  # a row's probability does not depend on the rows beside it, for the same size, speed and loss
    calibration_rows=2_000,  # a few rows in 100,000 values are beyond the ranges; it takes seconds
    seed=2013,  # any: it draws these rows
)
"""How `make compress` makes smaller forms of the network."""

COMPRESSION = CompressionRules(
    # By the upper bound of the paired difference on the evaluation days.
    log_loss=0.001,  # what another seed of training moves
    calibration_error=0.005,  # half a point in a hundred
    segment_log_loss=0.02,  # as for promotion, though here it must be certain that it is not more
    segment_days=14,  # fewer days give no usable interval
)
