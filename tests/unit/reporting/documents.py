"""What every document and fragment of a report must keep to."""

from __future__ import annotations

import re
from html.parser import HTMLParser

HOSTILE = """</td></table><script>alert('x')</script><img src=x onerror="alert(1)">&"""
MOST_BYTES = 500_000
FORBIDDEN = {"script", "link", "iframe", "object", "embed", "base", "form", "svg", "audio", "video"}


class Tags(HTMLParser):
    """All tags with their attributes, and all text, of a document."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"img", "meta", "br"}:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def require_sound(document: str, most: int = MOST_BYTES) -> Tags:
    """Assert that a document is small, balanced, without scripts and without anything from the network."""
    assert len(document.encode()) < most
    found = Tags(document)
    assert found.open == []
    assert not FORBIDDEN & {tag for tag, _ in found.tags}
    for tag, attributes in found.tags:
        assert not any(name.startswith("on") for name in attributes)
        assert "srcset" not in attributes
        if tag == "img":
            assert str(attributes["src"]).startswith("data:image/png;base64,")
            assert len(str(attributes["alt"])) > 30  # says what the plot says
            assert attributes["alt"] != "Rendered Image"
        if tag == "a":
            assert re.fullmatch(r"[a-z0-9_-]+\.html|#[a-z0-9-]+", str(attributes["href"]))
    styles = "".join(re.findall(r"<style>(.*?)</style>", document, re.DOTALL))
    assert "url(" not in styles
    assert "@import" not in styles
    return found
