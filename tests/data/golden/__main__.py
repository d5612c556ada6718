"""Write the golden month."""

from __future__ import annotations

from tasks.contracts import columns
from tasks.features.distribution import summarise
from tasks.usecase.features import Features, build
from tests.data import golden
from tests.feeds import accepted, packaged

frame = build(golden.cut(accepted(packaged()), golden.MONTH), golden.MONTH).collect()
kept = summarise(frame, columns(Features, "numeric"), columns(Features, "categorical"))
lines = kept.model_dump_json().replace('{"feature"', '\n{"feature"')  # a line a feature: a diff names what changed
golden.FILE.write_text(lines + "\n")
print(f"{golden.FILE}: {golden.FILE.stat().st_size:,} bytes, {kept.rows:,} rows")
