"""The colours and the stylesheet of all reports: light, system fonts, colours that colour-blind readers tell apart."""

from __future__ import annotations

# Okabe and Ito, "Color Universal Design" (2008).
BLACK, GREY = "#1b1b1b", "#6b6b6b"
ORANGE, SKY, GREEN, BLUE, VERMILION = "#E69F00", "#56B4E9", "#009E73", "#0072B2", "#D55E00"

_CSS = f"""
.evergreen-page{{margin:0;background:#fff;color-scheme:light}}
.evergreen-page main{{max-width:1080px;margin:0 auto;padding:24px 20px 64px}}
.evergreen{{color:{BLACK};background:#fff;text-align:left;overflow-wrap:anywhere;
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,"Liberation Sans",Arial,sans-serif}}
.evergreen h1{{font-size:28px;line-height:1.2;font-weight:650;margin:8px 0 20px}}
.evergreen h2{{font-size:19px;line-height:1.3;font-weight:650;margin:36px 0 10px}}
.evergreen h3{{font-size:17px;line-height:1.35;font-weight:650;margin:28px 0 8px}}
.evergreen h4{{font-size:15px;line-height:1.4;font-weight:650;margin:22px 0 8px}}
.evergreen p{{margin:0 0 12px;max-width:76ch}}
.evergreen .lead{{max-width:92ch;font-size:19px;line-height:1.55;margin-bottom:18px}}
.evergreen .note,.evergreen figcaption{{color:#555;font-size:14px}}
.evergreen ul{{list-style:disc;margin:0 0 16px;padding-left:22px}}
.evergreen li{{margin:3px 0}}
.evergreen nav{{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:14px;margin-bottom:20px;
padding-bottom:12px;border-bottom:1px solid #e2e2e2}}
.evergreen a{{color:#005a8e;text-underline-offset:2px}}
.evergreen .badge{{display:inline-block;font-size:15px;font-weight:700;letter-spacing:.03em;line-height:1.3;
padding:2px 10px;margin-right:6px;border-radius:4px;border-left:5px solid {GREY};background:#eee;white-space:nowrap}}
.evergreen .badge.good{{border-color:{GREEN};background:#d9f0e8}}
.evergreen .badge.care{{border-color:{ORANGE};background:#fcefcf}}
.evergreen .badge.bad{{border-color:{VERMILION};background:#fbe0cf}}
.evergreen .badge.info{{border-color:{BLUE};background:#d8eaf6}}
.evergreen .facts{{display:grid;grid-template-columns:repeat(auto-fill,minmax(250px,1fr));gap:14px 24px;margin:0 0 20px;
padding:16px 18px;background:#f6f7f8;border-radius:6px}}
.evergreen dt{{color:#555;font-size:13px}}
.evergreen .facts .long{{grid-column:1/-1}}
.evergreen .facts .long dd{{font-size:14px}}
.evergreen dd{{margin:0;font-weight:600;font-variant-numeric:tabular-nums}}
.evergreen figure{{margin:0 0 22px;overflow-x:auto}}
.evergreen figcaption{{margin-bottom:6px;max-width:90ch}}
.evergreen img{{display:block;max-width:max(100%,620px);height:auto}}
.evergreen .table{{overflow-x:auto;margin:0 0 16px;overflow-wrap:normal}}
.evergreen .table .table-class{{border:0;border-collapse:collapse;font:inherit;font-size:14px;line-height:1.45;color:inherit;
font-variant-numeric:tabular-nums}}
.evergreen .table .table-class th{{text-align:left;vertical-align:bottom;border:0;border-bottom:2px solid #8a8a8a;padding:6px 14px 6px 8px}}
.evergreen .table .table-class td{{text-align:left;vertical-align:top;border:0;border-bottom:1px solid #e2e2e2;padding:6px 14px 6px 8px;
max-width:560px;overflow-wrap:anywhere}}
.evergreen .table .table-class td:first-child:not([class]){{min-width:9.5em}}
.evergreen .table .table-class td.day{{white-space:nowrap}}
.evergreen .table .table-class tr:nth-child(even){{background:none}}
.evergreen .table .table-class tr:hover{{background:#f6f7f8}}
.evergreen .table .table-class td.good,.evergreen .table .table-class td.care,.evergreen .table .table-class td.bad,
.evergreen .table .table-class td.info{{white-space:nowrap;font-weight:650;overflow-wrap:normal}}
.evergreen .table .table-class td.good{{box-shadow:inset 4px 0 {GREEN}}}
.evergreen .table .table-class td.care{{box-shadow:inset 4px 0 {ORANGE};background:#fcefcf}}
.evergreen .table .table-class td.bad{{box-shadow:inset 4px 0 {VERMILION};background:#fbe0cf}}
.evergreen .table .table-class td.info{{box-shadow:inset 4px 0 {BLUE};background:#d8eaf6}}
.evergreen .table .table-class td.good,.evergreen .table .table-class td.care,.evergreen .table .table-class td.bad{{padding-left:12px}}
.evergreen .pages{{list-style:none;padding:0}}
.evergreen .pages li{{display:grid;grid-template-columns:170px 1fr;gap:0 16px;padding:8px 0;border-bottom:1px solid #e2e2e2}}
.evergreen .chapter{{margin-top:44px;padding-top:4px;border-top:2px solid {BLACK}}}
.evergreen .chapter>h2{{font-size:23px;margin:14px 0 14px}}
.evergreen .nested{{margin:0 0 20px;padding-left:16px;border-left:3px solid #d5d8db}}
.evergreen .nested .lead{{font-size:16px;margin-bottom:12px}}
.evergreen .contents{{display:block;border:0;padding:0}}
.evergreen .contents ul{{list-style:none;columns:2;column-gap:32px;margin:0;padding:0;font-size:15px}}
.evergreen .contents li{{break-inside:avoid;margin:0;padding:3px 0}}
.evergreen details{{margin:0 0 16px}}
.evergreen summary{{cursor:pointer;font-weight:600;padding:6px 0}}
@media (max-width:640px){{
.evergreen-page main{{padding:16px 14px 40px}}
.evergreen h1{{font-size:23px}}
.evergreen .lead{{font-size:17px}}
.evergreen .pages li{{grid-template-columns:1fr}}
.evergreen .nested{{padding-left:10px}}
.evergreen .facts{{gap:8px 20px;padding:12px 14px}}
.evergreen .table .table-class td{{max-width:230px;overflow-wrap:break-word}}
.evergreen .contents ul{{columns:1}}
}}
"""


def _right(columns: int = 14) -> str:
    """Return the rules that align numbered columns of a table to the right."""
    cells = (f".evergreen .table.r{n} .table-class {cell}:nth-child({n})" for n in range(1, columns + 1) for cell in ("td", "th"))
    return f"{','.join(cells)}{{text-align:right;white-space:nowrap}}"


STYLE = f"<style>{_CSS}{_right()}</style>"
