"""The dossier: one HTML file on which a decision can be followed and audited, without a network and without scripts.

The verdict comes first, then who answers for it and what was found in a line each, then the headings of Annex IV of the EU
AI Act, whose content stands in `annex.py`. The JSON beside it is the record itself.
"""

from __future__ import annotations

from tasks.artifacts.dossier import Dossier
from tasks.artifacts.fairness import Standing
from tasks.reporting import annex, behaviour, explanation, fairness, page, sentences, text
from tasks.reporting.annex import Chapter

_STANDING = {Standing.WITHIN: "PASS", Standing.NEAR: "REVIEW", Standing.BEYOND: "FAIL", Standing.UNSET: "FAIL"}


def html(dossier: Dossier) -> str:
    """Return the dossier as one whole document.

    Args:
        dossier: All that the decision rests on.

    Returns:
        HTML of fewer than two million bytes, so that it opens at once on a phone and passes as an attachment: tables and plots
        show the first of what is too long, and say how much is left out.
    """
    chapters = annex.chapters(dossier)
    body = [
        page.lead(dossier.decision.verdict, sentences.decision(dossier.decision)),
        page.bullets(dossier.decision.reasons),
        _who(dossier),
        page.heading("At a glance"),
        _found(dossier),
        page.heading("Contents"),
        _contents(chapters),
        page.paragraph("Numbered as Annex IV of Regulation (EU) 2024/1689, the AI Act. The same facts, for programs, are in dossier.json."),
        *(f'<section class="chapter" id="{c.anchor}">{page.heading(c.title)}{c.body}</section>' for c in chapters),
    ]
    return page.page(f"Dossier · {dossier.use_case}", "".join(body))


def _who(dossier: Dossier) -> str:
    decision = dossier.decision
    return page.facts(
        [
            ("Owner", decision.owner),
            ("Contact", dossier.card.contact),
            ("Champion until now", "none" if decision.incumbent_version is None else f"v{decision.incumbent_version}"),
            ("Data as known at", text.instant(dossier.snapshot.as_of)),
            ("Trained on", dossier.candidate.split.training),
            ("Judged on", decision.evaluation),
            ("Package", dossier.package_digest),
        ]
    )


def _found(dossier: Dossier) -> str:
    """Return a line for each kind of evidence, with a verdict where it has one of its own."""
    treated, rules = dossier.fairness, dossier.fairness_rules
    suite = dossier.evaluation.suite
    warn = sum(not condition.passed for condition in suite)
    lines = [
        ("Data", dossier.validation.verdict, sentences.validation(dossier.validation)),
        ("Quality", "", sentences.evaluation(dossier.evaluation)),
        ("Fairness", _STANDING[fairness.worst(treated, rules)], fairness.sentence(treated, rules)),
        ("Behaviour", *behaviour.verdict(dossier.behaviour)),
        ("Explanation", "", explanation.verdict(dossier.explanation)),
        ("Shift", "", f"{warn} of {text.count(len(suite), 'check')} of training against evaluation data warn."),
        ("Service", "PASS" if sentences.is_fit(dossier.service) else "STOP", sentences.service(dossier.service)),
    ]
    items = (
        f"<li><strong>{what}</strong><span>{page.badge(verdict) if verdict else ''} {page.escape(told)}</span></li>"
        for what, verdict, told in lines
    )
    return f'<ul class="pages">{"".join(items)}</ul>'


def _contents(chapters: list[Chapter]) -> str:
    items = "".join(f"<li>{annex.link(chapter.anchor, chapter.title)}</li>" for chapter in chapters)
    return f'<nav class="contents" aria-label="Contents"><ul>{items}</ul></nav>'
