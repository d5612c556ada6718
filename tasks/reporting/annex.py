"""What the dossier says under each heading of Annex IV of the EU AI Act (Regulation (EU) 2024/1689), from the records.

The order of the headings is the annex's. A record that has a section of its own is shown by that section, whole; here
stands only what no section says, and plainly what does not apply or was not done.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tasks.artifacts.dossier import Dossier
from tasks.artifacts.record import Record
from tasks.reporting import behaviour, components, explanation, fairness, judgement, page, sections, text
from tasks.reporting.page import bullets, facts, table, words

MEASURES = {
    "Log-loss": "How well the probabilities fit what came: a proper score, least for the true probabilities. It decides.",
    "AUC": "How well positive and negative rows are told apart, whatever the threshold.",
    "PR-AUC": "The same where positives are few: how clean the flagged rows are, over all thresholds.",
    "Brier score": "The squared error of the probabilities: proper too, and lenient with single bad misses.",
    "Calibration error": "How far predicted and observed shares lie apart, over ten groups of rows.",
    "Cost of a decision": "What the decisions at the threshold cost on average: what a user pays.",
}
"""Each metric of an evaluation: what it tells."""


class Chapter(NamedTuple):
    """One heading with what is said under it."""

    anchor: str
    title: str
    body: str


def chapters(dossier: Dossier) -> list[Chapter]:
    """Return the nine headings of Annex IV, and the bill of materials behind them."""
    written = [
        ("General description", _general(dossier)),
        ("Elements and development process", _development(dossier)),
        ("Monitoring, functioning and control", _control(dossier)),
        ("Appropriateness of the performance metrics", _metrics(dossier)),
        ("Risk management", _risks(dossier)),
        ("Changes through the lifecycle", _changes(dossier)),
        ("Standards applied", _standards()),
        ("EU declaration of conformity", _conformity()),
        ("Post-market monitoring", _post_market(dossier)),
    ]
    numbered = [Chapter(f"annex-{n}", f"{n} {title}", "".join(body)) for n, (title, body) in enumerate(written, 1)]
    return [*numbered, Chapter("components", "Bill of materials", components.components(dossier.components))]


def part(title: str) -> str:
    """Return the heading of a part of a chapter."""
    return f"<h3>{page.escape(title)}</h3>"


def nested(fragment: str) -> str:
    """Return a section of its own as a part of a chapter, its headings two levels deeper."""
    deeper = re.sub(r"<(/?)h([2-4])>", lambda found: f"<{found[1]}h{int(found[2]) + 2}>", fragment)
    return f'<div class="nested">{deeper}</div>'


def link(anchor: str, words: str) -> str:
    """Return a link to a chapter of the same document."""
    return f'<a href="#{anchor}">{page.escape(words)}</a>'


def _general(dossier: Dossier) -> list[str]:
    card = dossier.card
    champion = dossier.decision.incumbent_version
    own = ", or of its group's threshold (chapter 2)," if dossier.candidate.grouping else ""
    return [
        words(card.purpose),
        facts(
            [
                ("Provider", card.provider),
                ("Owner, who answers for it", card.owner),
                ("Contact", card.contact),
                ("Version", dossier.package_digest),
                ("Relation to earlier versions", "the first" if champion is None else f"judged against champion v{champion}"),
                ("Weights", dossier.candidate.bundle_digest),
            ]
        ),
        part("Intended uses"),
        bullets(card.intended_uses),
        part("Uses out of scope"),
        bullets(card.uses_out_of_scope),
        part("Who uses it, and who is affected"),
        table(["Role", "Who"], [*(("user", who) for who in card.users), *(("affected", who) for who in card.affected)]),
        part("Forms, interfaces and hardware"),
        words(
            "It comes as a BentoML package that answers over HTTP with a probability, the decision at the threshold, and warnings about "
            "its inputs. It has no user interface of its own. Any machine of today that runs Python will do; no GPU is needed to serve it."
        ),
        nested(sections.service(dossier.service)),
        f'<p class="note">Versions of the software: {link("components", "bill of materials")}.</p>',
        part("Instructions for use"),
        bullets(
            [
                f"Act on a row from a probability of {text.decimals(dossier.candidate.threshold)}{own} upwards; it is flagged.",
                "Read the warnings of an answer: features that were left out, and categories never seen in training.",
                "Keep the id of a prediction: by it the way back to model, code and data is found.",
            ]
        ),
    ]


def _development(dossier: Dossier) -> list[str]:
    candidate, split = dossier.candidate, dossier.candidate.split
    features = [*candidate.numeric_features], [*candidate.categorical_features]
    return [
        part("Methods and steps"),
        bullets(
            [
                f"Data as known at {text.instant(dossier.snapshot.as_of)} are read, checked against a contract, and kept as a snapshot.",
                "Features see only what was known at the time of prediction; the same code makes them for training and for use.",
                f"Models are trained on {split.training}, chosen on {text.count(len(split.folds), 'fold')} later than what each was "
                f"trained on, and judged on {split.evaluation}, on which nothing is fitted.",
                "The network stands beside simple and strong baselines, which see the same rows.",
                f"The candidate is the {text.candidate(candidate)}, trained from nothing: no model that others trained is part of it.",
            ]
        ),
        part("Design choices"),
        words(
            f"It optimises log-loss, and decides at the threshold that costs least on the folds where a missed positive costs "
            f"{dossier.costs.missed:g} and a needless flag {dossier.costs.needless:g}."
        ),
        *_group_thresholds(dossier),
        page.folded("All features", nested(sections.features(sum(dossier.validation.rows_by_day.values()), *features))),
        page.folded("Every setting of the training", _settings(candidate.config)),
        part("Training"),
        nested(sections.training([candidate, *dossier.baselines])),
        part("Data"),
        nested(sections.snapshot(dossier.snapshot)),
        part("Checks of the data"),
        nested(sections.validation(dossier.validation)),
        part("Human oversight"),
        bullets(dossier.card.human_oversight),
        part("Validation and testing"),
        nested(judgement.evaluation(dossier.evaluation)),
        part("Tests of behaviour"),
        nested(behaviour.behaviour(dossier.behaviour)),
        part("Cybersecurity"),
        bullets(
            [
                "Weights are kept without pickle, so that reading them runs no code; model and package are bound by the digests above.",
                "What it does under hostile inputs is told by the tests of behaviour, as far as the use case asks for it.",
                "Restricted columns are no features, and are masked wherever data are shown.",
                "Not done for this file: a penetration test, and a look-up of known vulnerabilities of its packages.",
            ]
        ),
    ]


def _group_thresholds(dossier: Dossier) -> list[str]:
    """Return the thresholds of groups that have one of their own; nothing where one holds for all."""
    grouping, thresholds = dossier.candidate.grouping, dossier.candidate.group_thresholds
    if grouping is None:
        return []
    rows = [(group, text.decimals(threshold)) for group, threshold in sorted(thresholds.items())]
    said = f"Groups of {grouping.name} have thresholds of their own; any other takes {text.decimals(dossier.candidate.threshold)}."
    return [words(said), table(["Group", "Threshold"], rows)]


def _settings(config: Record) -> str:
    """Return all settings as a table, those of a part under the name of the part."""
    rows: list[tuple[str, str, str]] = []
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, Record):
            rows += [(f"{name}.{key}", str(getattr(value, key)), f.description or "") for key, f in type(value).model_fields.items()]
        else:
            rows.append((name, str(value), field.description or ""))
    return table(["Setting", "Value", "Meaning"], rows)


def _control(dossier: Dossier) -> list[str]:
    worst = max((s for s in dossier.evaluation.segments), key=lambda s: s.log_loss.value, default=None)
    told = f" The segment with the highest log-loss is {worst.segment}: {worst.log_loss} on {worst.rows:,} rows." if worst else ""
    return [
        part("Capabilities and limits"),
        f"<p>On the evaluation days its log-loss is {dossier.evaluation.of(text.CANDIDATE).log_loss}.{page.escape(told)} "
        f"All segments stand under {link('annex-2', 'Validation and testing')}.</p>",
        bullets(dossier.card.limits),
        part("Accuracy for groups of people and firms"),
        nested(fairness.fairness(dossier.fairness, dossier.fairness_rules)),
        part("What its predictions rest on"),
        nested(explanation.explanation(dossier.explanation)),
        part("Foreseeable unintended outcomes"),
        f"<p>They stand with what is done about each under {link('annex-5', 'Risk management')}.</p>",
        part("Inputs"),
        words(
            f"Rows with {text.count(len(dossier.candidate.numeric_features), 'numeric feature')}, of which any may be missing, and "
            f"{text.count(len(dossier.candidate.categorical_features), 'categorical feature')}, which are required."
        ),
    ]


def _metrics(dossier: Dossier) -> list[str]:
    return [
        table(["Metric", "What it tells"], list(MEASURES.items())),
        words(
            "Every value has a 95 % interval from a bootstrap over whole days, because rows of one day share what the day brings and are "
            "not independent. Models are compared on the same rows, in pairs."
        ),
        words(
            f"The threshold follows from the costs: {dossier.costs.missed:g} for a missed positive, {dossier.costs.needless:g} for a "
            "needless flag. These costs are the owner's choice; other costs ask for another threshold."
        ),
    ]


def _risks(dossier: Dossier) -> list[str]:
    return [
        part("Known risks, and what is done about each"),
        bullets(dossier.card.risks),
        part("When the model is taken back"),
        bullets(dossier.card.rollback_criteria),
        part("What the decision required"),
        nested("".join(judgement.requirements(dossier.decision, with_reasons=False))),
    ]


def _changes(dossier: Dossier) -> list[str]:
    champion, gains = dossier.decision.incumbent_version, dossier.evaluation.gains
    gain = f" Its log-loss is lower by {text.signed(gains['incumbent'])} on the same rows." if "incumbent" in gains else ""
    first = "It is the first version: there is no champion before it."
    return [
        words(first if champion is None else f"It is judged as the successor of champion v{champion}.{gain}"),
        facts(
            [
                ("Code commit", dossier.code_commit),
                ("Lock of the environment", dossier.lock_hash),
                ("Data snapshot", dossier.snapshot.content_hash),
                ("Rows of features", dossier.candidate.features_hash),
                ("Definitions of the features", dossier.decision.features_digest),
                ("Contract of the data", dossier.decision.contract_digest),
                ("Seed", dossier.candidate.seed),
            ]
        ),
        words(
            "Foreseen changes are new versions of the same design, trained on newer data by schedule or when drift or decay is shown; each "
            "has a dossier of its own. Earlier versions, approvals and rollbacks stand in the registry and in the audit trail, not here."
        ),
    ]


def _standards() -> list[str]:
    return [
        words("No harmonised standard under the Regulation was applied. These published methods and formats were followed instead:"),
        bullets(
            [
                "Model card: Mitchell et al., Model cards for model reporting (FAT* 2019).",
                "Tests of behaviour: Ribeiro et al., Beyond accuracy: behavioral testing of NLP models with CheckList (ACL 2020).",
                "Equal opportunity, equalised odds: Hardt, Price and Srebro, Equality of opportunity in supervised learning (NIPS 2016).",
                "Attributions: Sundararajan, Taly and Yan, Axiomatic attribution for deep networks (ICML 2017).",
                "Bill of materials: CycloneDX 1.6 (ECMA-424), with SPDX identifiers of licences.",
            ]
        ),
    ]


def _conformity() -> list[str]:
    return [
        words(
            "None is enclosed, and this file makes none. It follows the headings of Annex IV so that an assessment finds its way; whether "
            "the system is of high risk under the Regulation, and what follows from that, is for its provider to assess."
        )
    ]


def _post_market(dossier: Dossier) -> list[str]:
    drift, quality, trigger = dossier.monitoring.drift, dossier.monitoring.quality, dossier.monitoring.trigger
    windows = text.listed(str(days) for days in drift.windows)
    rows = [
        (
            "Drift of each group of columns",
            f"a test of the newest {windows} days against the {drift.reference_days} before says so, with a chance of "
            f"{text.share(drift.false_alarms_a_year)} that it does on any night of a year in which nothing drifts",
        ),
        (
            f"Drift of {text.listed(trigger.drift_groups)}",
            f"it lasts: on {trigger.alarms_needed} of the {trigger.alarms_of} newest nights; that of other groups only alerts",
        ),
        (
            "Realised log-loss",
            f"on the newest {quality.days} labelled days it is above that of the evaluation by more than {quality.decay_margin:g}, "
            "by its lower bound",
        ),
        ("Schedule", f"the newest candidate was judged {trigger.every_days} days ago"),
        ("New labels", f"{trigger.new_labelled_days} labelled days have come since"),
        ("Age", f"the champion was judged {trigger.oldest_days} days ago"),
    ]
    back = "goes back to the version before by itself" if trigger.rolls_back else "is told, and a person brings the version before back"
    return [
        words("The days since are compared each night with those before. A challenger is trained when one holds:"),
        table(["Watched", "Acts when"], rows),
        words(
            f"No second challenger is trained within {text.count(trigger.cool_down_days, 'day')}. Alerts go to {dossier.card.contact}. "
            "A challenger passes the same gate, and has its own dossier."
        ),
        words(
            f"A champion whose log-loss is above that of the version before by more than {quality.roll_back_margin:g} for certain, on the "
            f"same rows of {quality.roll_back_days} days at least, {back}. The service's predictions are watched as well: their number, "
            "age, inputs, failures, and whether their features are those that the data give."
        ),
    ]
