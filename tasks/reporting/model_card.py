"""The model card, under the nine headings of Mitchell et al., "Model cards for model reporting" (FAT* 2019).

What people must know comes from the use case's card, what was measured from the records of the dossier. The same parts
become Markdown (for the docs and the registry) and HTML (for a Deck). A package carries a card under the same headings that
says what is known once a model is trained: a package is the same however often it is judged.
"""

from __future__ import annotations

from tasks.artifacts.dossier import Dossier, ModelCard
from tasks.artifacts.fairness import GroupRates
from tasks.artifacts.record import Interval
from tasks.artifacts.settings import Costs
from tasks.artifacts.training import TrainedModel
from tasks.reporting import blocks, page, sentences, text
from tasks.reporting.blocks import Block, Bullets, Grid, Title

_MOST_FEATURES = 10  # the rest, which changes little, stands in the dossier


def markdown(dossier: Dossier) -> str:
    """Return the model card as Markdown, which ends with a line break.

    Args:
        dossier: All that the decision on the model rests on.
    """
    return _markdown(dossier.use_case, _parts(dossier))


def of_model(use_case: str, card: ModelCard, model: TrainedModel, costs: Costs) -> str:
    """Return the card of a model that is trained and not judged yet, as Markdown, which ends with a line break.

    Args:
        use_case: What it is for.
        card: What people must know.
        model: What is known of it.
        costs: What its threshold weighs.
    """
    judged = f"The dossier of the version that {text.short(model.bundle_digest)} was registered as says"
    details = [
        ("provider", card.provider),
        ("owner", card.owner),
        ("questions and complaints", card.contact),
        *_made(model),
    ]
    folds = [(str(fold.window), text.count(fold.rows), text.decimals(fold.log_loss)) for fold in model.folds]
    analyses: list[Block] = [
        "Log-loss on the folds, each predicted from what was known before its first day:",
        Grid(("days", "rows", "log-loss"), folds),
        f"There the logits were calibrated by a temperature of {text.decimals(model.temperature)}.",
    ]
    window = f"{model.split.evaluation}, the last labelled days. Nothing was fitted on them. {judged} what was found on them."
    parts: list[tuple[str, list[Block]]] = [
        ("Model details", [card.purpose, Grid(("what", "value"), details)]),
        ("Intended use", _use(card)),
        ("Factors", [f"{judged} which groups and segments were compared, and what was found."]),
        ("Metrics", [_decides(), _threshold(model, costs), *_group_thresholds(model)]),
        ("Evaluation data", [window]),
        ("Training data", [_trained_on(model)]),
        ("Quantitative analyses", analyses if folds else ["It was trained without folds."]),
        ("Ethical considerations", _ethics(card)),
        ("Caveats and recommendations", _caveats(card)),
    ]
    return _markdown(use_case, parts)


def _markdown(use_case: str, parts: list[tuple[str, list[Block]]]) -> str:
    written = [f"# Model card: {blocks.plain(use_case)}"]
    for heading, said in parts:
        written.append(f"## {heading}")
        written.extend(blocks.to_markdown(part) for part in said)
    return "\n\n".join(written) + "\n"


def html(dossier: Dossier) -> str:
    """Return the model card as an HTML fragment that carries its style; see `markdown`."""
    parts = [page.lead(dossier.decision.verdict, sentences.decision(dossier.decision))]
    for heading, said in _parts(dossier):
        parts.append(page.heading(heading))
        parts.extend(blocks.to_html(part) for part in said)
    return page.fragment(*parts)


def _parts(dossier: Dossier) -> list[tuple[str, list[Block]]]:
    return [
        ("Model details", _details(dossier)),
        ("Intended use", _use(dossier.card)),
        ("Factors", _factors(dossier)),
        ("Metrics", _metrics(dossier)),
        ("Evaluation data", _evaluation_data(dossier)),
        ("Training data", _training_data(dossier)),
        ("Quantitative analyses", _analyses(dossier)),
        ("Ethical considerations", _ethics(dossier.card)),
        ("Caveats and recommendations", _caveats(dossier.card)),
    ]


def _details(dossier: Dossier) -> list[Block]:
    card, model, champion = dossier.card, dossier.candidate, dossier.decision.incumbent_version
    return [
        card.purpose,
        Grid(
            ("what", "value"),
            [
                ("verdict", f"{dossier.decision.verdict}: {sentences.decision(dossier.decision)}"),
                ("provider", card.provider),
                ("owner", card.owner),
                ("questions and complaints", card.contact),
                ("champion until now", "none" if champion is None else f"v{champion}"),
                ("package", dossier.package_digest),
                ("code commit", dossier.code_commit),
                ("lock of the environment", dossier.lock_hash),
                *_made(model),
            ],
        ),
    ]


def _made(model: TrainedModel) -> list[tuple[str, str]]:
    return [
        ("kind of model", f"{text.candidate(model)}: probabilities of two classes from a table of features"),
        ("weights", model.bundle_digest),
        ("seed", str(model.seed)),
        ("trained on", f"{model.device}, {model.precision}"),
    ]


def _use(card: ModelCard) -> list[Block]:
    return [
        Bullets(card.intended_uses),
        Title("Users"),
        Bullets(card.users),
        Title("Out of scope"),
        Bullets(card.uses_out_of_scope),
    ]


def _factors(dossier: Dossier) -> list[Block]:
    by_attribute = [
        f"{attribute.grouping.name}: {text.listed(group.group for group in attribute.groups)}." for attribute in dossier.fairness.attributes
    ]
    segments = [segment.segment for segment in dossier.evaluation.segments if segment.segment != "all"]
    return [
        "Groups whose treatment is compared:",
        Bullets([*by_attribute, *(f"{name}: not known, as {why}." for name, why in dossier.fairness.not_measured.items())]),
        f"Beside them quality is measured on {text.count(len(segments), 'segment')} that the use case names.",
    ]


def _metrics(dossier: Dossier) -> list[Block]:
    return [
        _decides(),
        _threshold(dossier.candidate, dossier.costs),
        *_group_thresholds(dossier.candidate),
        "Groups are compared by selection rates (demographic parity, disparate impact), by true positive rates (equal opportunity) and by "
        "true and false positive rates (equalised odds).",
        f"Rows of one day are not independent. {text.INTERVALS}",
    ]


def _decides() -> str:
    return "Log-loss decides: it judges the probabilities themselves. AUC, PR-AUC, Brier score and calibration error stand beside it."


def _threshold(model: TrainedModel, costs: Costs) -> str:
    return (
        f"A row is flagged from a probability of {text.decimals(model.threshold)} upwards: the one that cost least on the "
        f"folds, where a missed positive costs {costs.missed:g} and a needless flag {costs.needless:g}."
    )


def _group_thresholds(model: TrainedModel) -> list[Block]:
    """Return what is said of groups that have a threshold of their own; nothing where one holds for all."""
    grouping, thresholds = model.grouping, model.group_thresholds
    if grouping is None:
        return []
    told = text.listed(f"{group} {text.decimals(threshold)}" for group, threshold in sorted(thresholds.items()))
    return [f"Groups of {grouping.name} have thresholds of their own: {told}."]


def _evaluation_data(dossier: Dossier) -> list[Block]:
    record = dossier.evaluation
    return [
        f"{text.count(record.rows, 'row')} of {record.window}, the last labelled days, of which {text.share(record.base_rate)} positive. "
        "Nothing was fitted on them, and all models are judged on the same rows."
    ]


def _training_data(dossier: Dossier) -> list[Block]:
    return [
        _trained_on(dossier.candidate),
        f"{sentences.snapshot(dossier.snapshot)} Source: {dossier.snapshot.source}. Content: {dossier.snapshot.content_hash}.",
        f"{dossier.validation.verdict}: {sentences.validation(dossier.validation)} The data card says more of the data.",
    ]


def _trained_on(model: TrainedModel) -> str:
    sample = f", evenly taken from {text.count(model.sampled_from)}" if model.sampled_from else ""
    return (
        f"{text.count(model.training_rows, 'row')}{sample} of {model.split.training}, with "
        f"{text.count(len(model.numeric_features), 'numeric feature')} and "
        f"{text.count(len(model.categorical_features), 'categorical feature')}."
    )


def _analyses(dossier: Dossier) -> list[Block]:
    record = dossier.evaluation
    models = [
        (text.model(m.model, record.incumbent_version), str(m.log_loss), *map(text.brief, (m.auc, m.brier, m.calibration_error, m.cost)))
        for m in record.metrics
    ]
    segments = [
        (s.segment, text.count(s.rows), str(s.log_loss), str(s.cost))
        for s in sorted(record.segments, key=lambda s: (s.segment != "all", -s.log_loss.value))
    ]
    tests = [
        (t.name, "yes" if t.holds else "no", text.share(t.share), page.NOTHING if t.least_share is None else text.share(t.least_share))
        for t in dossier.behaviour.results
    ]
    features = [(e.feature, e.meaning, text.brief(e.permutation)) for e in dossier.explanation.features[:_MOST_FEATURES]]
    return [
        Title("Models side by side"),
        Grid(("model", "log-loss", "AUC", "Brier score", "calibration error", "cost of a decision"), models),
        Title("By segment"),
        Grid(("segment", "rows", "log-loss", "cost of a decision"), segments),
        Title("By group"),
        *_groups(dossier),
        Title("Tests of behaviour"),
        Grid(("test", "holds", "rows that pass", "fewest that must"), tests),
        Title("Features that matter most"),
        Grid(("feature", "meaning", "log-loss more when permuted"), features),
    ]


def _groups(dossier: Dossier) -> list[Block]:
    """Return a table of the groups of each attribute, and one of the largest differences between those that count, beside their limits."""
    rows = [(a.grouping.name, *_rates(group)) for a in dossier.fairness.attributes for group in a.groups]
    differences = [
        (a.grouping.name, one.name, text.brief(one.found), "none set" if one.limit is None else f"{one.limit:g}", str(one.standing))
        for a in dossier.fairness.attributes
        for one in a.measured(dossier.fairness_rules)
    ]
    left_out = [f"{a.grouping.name}: {text.listed(a.left_out)}" for a in dossier.fairness.attributes if a.left_out]
    small = [f"Too small for the differences are {'; '.join(left_out)}."] if left_out else []
    headers = ("attribute", "group", "rows", "flagged", "true positive rate", "false positive rate", "log-loss")
    return [
        Grid(headers, rows),
        Grid(("attribute", "difference", "found", "limit", "standing"), differences),
        *small,
    ]


def _rates(group: GroupRates) -> tuple[str, ...]:
    values: list[Interval | None] = [group.selection_rate, group.true_positive_rate, group.false_positive_rate, group.log_loss]
    return group.group, text.count(group.rows), *(page.NOTHING if value is None else text.brief(value) for value in values)


def _ethics(card: ModelCard) -> list[Block]:
    return [
        Title("Who is affected"),
        Bullets(card.affected),
        Title("Human oversight"),
        Bullets(card.human_oversight),
        Title("Risks, and what is done about each"),
        Bullets(card.risks),
    ]


def _caveats(card: ModelCard) -> list[Block]:
    return [Bullets(card.limits), Title("Take the model back when"), Bullets(card.rollback_criteria)]
