"""What people must know of the model and no measurement says, in words; numbers that are a choice stand in `policy.py`."""

from __future__ import annotations

from tasks.artifacts.dossier import ModelCard
from tasks.usecase import policy

CARD = ModelCard(
    purpose=(
        "It says, in the moment in which an application for a mortgage comes in, how likely the lender is to refuse it, so that a second "
        "person looks at those that are likely to be refused. It shows that the pipeline works with other data; it is no model of lending."
    ),
    intended_uses=[
        "Show how the pipeline is ported to data on people, with protected attributes.",
        "Send applications that would be refused to a second reviewer before the decision (the study's own conclusion).",
    ],
    uses_out_of_scope=[
        "Any decision about an applicant: to refuse, to approve, to price, to advertise.",
        "Any lender, any area and any year but Boston in 1990.",
        "Any conclusion on how lending changed: the dates of these data are made.",
    ],
    users=["People who port the pipeline, and reviewers of applications in an exercise"],
    affected=[
        "Applicants: whose file gets a second look, and whose does not.",
        "Black and Hispanic applicants most of all: they were refused two to four times as often, in part for no reason of credit.",
    ],
    human_oversight=[
        "A flag starts a second review by a person; nothing follows from it by itself.",
        "A model that the gate sends to review goes live only when a named person approves it, on its dossier and for a limited time.",
        "A person can take the model back at any time (`make rollback`), and can stop the use of its flags without it.",
    ],
    limits=[
        "It learns what lenders did, right or wrong: the study found that race told in their decisions. A model of them repeats it.",
        "Of 1,989 applications 244 were refused: intervals are wide, and small groups are not compared at all.",
        "The order of the file stands for time, ten applications a day: drift, decay and the gain of retraining are none in these data.",
        "Guidelines, verification and reviews are not read, as the lender fills them until the decision.",
        "Race, sex, marital status, age and dependants are no inputs; other inputs go with them, so that their groups can still differ.",
    ],
    risks=[
        "A group is flagged more often than another. Differences between groups are measured with intervals, have limits, and stop a "
        "promotion.",
        "A likely refusal is not flagged, and nobody looks again. "
        f"A miss counts {policy.COSTS.missed / policy.COSTS.needless:g} times a needless review where the threshold is chosen.",
        "Protected attributes leak into reports. They are restricted: masked in quarantine, findings, logs and Decks, and not in the "
        "service's state; clients cannot send them.",
        "Bad data: another unit, a code for a missing answer. A contract and rules for each batch stop it before training.",
    ],
    rollback_criteria=[
        f"Log-loss of the labelled days since is for certain more than {policy.MONITORING.quality.roll_back_margin:g} above that of the "
        "version before, on the same days: the monitor rolls back by itself.",
        "The service answers wrongly or not at all: errors, other probabilities than the training code has for the golden rows.",
        "A fairness limit is broken on the labelled days since.",
        "A complaint by applicants or reviewers that the owner finds right.",
    ],
    provider="Evergreen, the second example: nobody places this model on a market",
    owner=policy.OWNER,
    contact=policy.ALERT_EMAILS[0],
)
"""What people must know of the model and no measurement says; the dossier and the model card show it."""
