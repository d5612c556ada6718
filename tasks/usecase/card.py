"""What people must know of the model and no measurement says, in words; numbers that are a choice stand in `policy.py`."""

from __future__ import annotations

from tasks.artifacts.dossier import ModelCard
from tasks.usecase import policy

CARD = ModelCard(
    purpose=(
        "It says, two hours before the scheduled departure of a flight from New York (EWR, JFK, LGA), how likely it is that the flight "
        "arrives 15 minutes late or more, and whether that is likely enough to warn."
    ),
    intended_uses=[
        "Warn the duty managers of an airline or an airport early, so that they look at connections, gates and crews.",
        "Rank the flights of the next hours, so that people look at the most doubtful ones first.",
    ],
    uses_out_of_scope=[
        "Decisions about a passenger: fares, compensation, boarding, insurance.",
        "Anything that safety rests on: dispatch, fuel, crew duty times, air traffic control.",
        "Judging carriers, crews or airports: it predicts lateness and does not say whose fault it is.",
        "Flights from elsewhere, flights into New York, and any time but two hours before departure.",
        "Cancellations and diversions: it knows nothing of them beyond how many there were in the last hours.",
    ],
    users=["Duty managers of airlines and airports, through a system that shows probability and warning"],
    affected=[
        "Passengers, who are told early or late of a delay; those with a connection most of all.",
        "Communities with little air service, where a missed flight costs a day, and of whose flights there are few to learn from.",
        "Carriers, whose flights are flagged more or less often than others.",
    ],
    human_oversight=[
        "A warning starts a check by a person; no step follows from it by itself.",
        "A model that the gate sends to review goes live only when a named person approves it, on its dossier and for a limited time.",
        "A person can take the model back at any time (`make rollback`), and can stop the use of its warnings without it.",
        "Who lets a batch pass in spite of a rule is named, with the reason, in the dossier and in the audit trail.",
    ],
    limits=[
        "One year (2013) and three airports: it has never seen another winter, another timetable or another airport.",
        "It knows what was known two hours before departure: a storm or a ground stop that comes later is not in it.",
        "Weather is that of the three airports of origin; that of the destination and on the way is not known to it.",
        "Cancelled and diverted flights have no label: quality is that of flights that arrived, which flatters days of storms.",
        "Rare destinations and small carriers have few flights; their intervals are wide, and the smallest are not compared at all.",
        "The probability is of the average flight like this one; it is no certainty for any of them.",
    ],
    risks=[
        "Missed late flights: passengers are not told. "
        f"A miss counts {policy.COSTS.missed / policy.COSTS.needless:g} times a needless warning where the threshold is chosen; "
        "the share of late flights that is found is reported by group.",
        "Needless warnings tire people, who stop reading them. The share of flights that is flagged is reported by group.",
        "A group is served worse than others. Differences between groups are measured with intervals, have limits, and stop a promotion.",
        "The world changes: seasons, timetables, storms. Drift and realised quality are watched each night; a challenger is trained.",
        "Bad data: a sensor in another unit, a day that is missing. A contract and rules for each batch stop it before training.",
        "A feed fails in use: features are missing. Typical values stand in, the answer says so, and behaviour is tested for it.",
        "People trust a number too much. Each prediction can be explained by what speaks for and against it, with its limits.",
    ],
    rollback_criteria=[
        f"Log-loss of the labelled days since is for certain more than {policy.MONITORING.quality.roll_back_margin:g} above that of the "
        "version before, on the same days: the monitor rolls back by itself.",
        f"It is for certain more than {policy.MONITORING.quality.decay_margin:g} above the evaluation's, and the version before is better.",
        "The service answers wrongly or not at all: errors, other probabilities than the training code has for the golden rows.",
        "A fairness limit is broken on the labelled days since.",
        "A fault in the data or the code that the model was trained with becomes known.",
        "A complaint by users or by those affected that the owner finds right.",
    ],
    provider="Evergreen, the example project: nobody places this model on a market",
    owner=policy.OWNER,
    contact=policy.ALERT_EMAILS[0],
)
"""What people must know of the model and no measurement says; the dossier and the model card show it."""
