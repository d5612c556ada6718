"""A graph as an SVG: layers from top to bottom, in the colours of the page. Plain geometry, so that the same graph is the same picture."""

from __future__ import annotations

import itertools
from html import escape

from reference.graph import Graph, Node

# Pixels.
_LETTER = 7.3  # of a monospaced letter of 12 px
_PADDING = 14
_HEIGHT = 40
_GAP = 22
_LAYER = 74
_MARGIN = 6
_SWEEPS = 12  # the order of layers settles within half of that
_DUMMY = 10


def reduced(graph: Graph) -> set[tuple[str, str]]:
    """Return the edges that no longer path says already."""
    after: dict[str, set[str]] = {}
    for a, b in graph.edges:
        after.setdefault(a, set()).add(b)
    reach: dict[str, set[str]] = {}

    def reached(step: str) -> set[str]:
        if step not in reach:
            reach[step] = set().union(*({b} | reached(b) for b in after.get(step, ())))
        return reach[step]

    return {(a, b) for a, b in graph.edges if not any(b in reached(c) for c in after[a] if c != b)}


def draw(graph: Graph, title: str) -> str:
    """Return the picture of a graph, as SVG to stand in a page.

    Args:
        graph: Steps and edges, without a cycle.
        title: What it shows, for those who cannot see it.
    """
    edges = reduced(graph)
    layers, chains = _layered(graph, edges)
    _order(layers, chains)
    place, width = _place(layers, chains, graph)
    height = len(layers) * _LAYER - (_LAYER - _HEIGHT) + 2 * _MARGIN
    parts = [
        f'<svg class="workflow" role="img" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" height="{height:.0f}" '
        f'xmlns="http://www.w3.org/2000/svg"><title>{escape(title)}</title>'
    ]
    parts += [_edge(chain, place, graph) for chain in sorted(chains)]
    parts += [_box(node, *place[node.id]) for node in graph.nodes.values()]
    return "".join([*parts, "</svg>"])


Chain = tuple[str, ...]
"""The steps of an edge: its ends, and between them one stand-in for each layer that it passes."""


def _layered(graph: Graph, edges: set[tuple[str, str]]) -> tuple[list[list[str]], list[Chain]]:
    before: dict[str, set[str]] = {name: set() for name in graph.nodes}
    for a, b in edges:
        before[b].add(a)
    depth: dict[str, int] = {}

    def deep(name: str) -> int:
        if name not in depth:
            depth[name] = 1 + max(map(deep, before[name]), default=-1)
        return depth[name]

    for name in graph.nodes:
        deep(name)
    # A step without any before it stands just above the first that waits for it.
    for name in graph.nodes:
        later = [depth[b] for a, b in edges if a == name]
        if not before[name] and later:
            depth[name] = min(later) - 1
    layers: list[list[str]] = [[] for _ in range(1 + max(depth.values(), default=0))]
    for name in graph.nodes:
        layers[depth[name]].append(name)
    chains = []
    for a, b in sorted(edges):
        between = tuple(f"{a}>{b}>{i}" for i in range(depth[a] + 1, depth[b]))
        for i, stand_in in enumerate(between, depth[a] + 1):
            layers[i].append(stand_in)
        chains.append((a, *between, b))
    return layers, chains


def _neighbours(chains: list[Chain]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for chain in chains:
        for a, b in itertools.pairwise(chain):
            above.setdefault(b, []).append(a)
            below.setdefault(a, []).append(b)
    return above, below


def _order(layers: list[list[str]], chains: list[Chain]) -> None:
    """Sort each layer by the middle of its neighbours, down and up, so that few lines cross."""
    above, below = _neighbours(chains)
    for sweep in range(_SWEEPS):
        near, through = (above, layers[1:]) if sweep % 2 == 0 else (below, layers[-2::-1])
        rank = {name: i for layer in layers for i, name in enumerate(layer)}
        for layer in through:
            layer.sort(key=lambda name: _mean([rank[n] for n in near.get(name, [])], rank[name]))
            rank |= {name: i for i, name in enumerate(layer)}


def _mean(values: list[float] | list[int], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _breadth(name: str, graph: Graph) -> float:
    if name not in graph.nodes:
        return _DUMMY
    node = graph.nodes[name]
    return max(len(_label(node)), len(node.note)) * _LETTER + 2 * _PADDING


def _place(layers: list[list[str]], chains: list[Chain], graph: Graph) -> tuple[dict[str, tuple[float, float, float]], float]:
    """Return (middle, top, width) of each step, and the picture's width."""
    above, below = _neighbours(chains)
    wide = {name: _breadth(name, graph) for layer in layers for name in layer}
    middle: dict[str, float] = {}
    for layer in layers:
        left = -sum(wide[name] + _GAP for name in layer) / 2
        for name in layer:
            middle[name] = left + wide[name] / 2
            left += wide[name] + _GAP
    for sweep in range(_SWEEPS):
        near, through = (above, layers) if sweep % 2 == 0 else (below, layers[::-1])
        for layer in through:
            wanted = [_mean([middle[n] for n in near.get(name, [])], middle[name]) for name in layer]
            for name, x in zip(layer, _apart(wanted, [wide[name] for name in layer]), strict=True):
                middle[name] = x
    left = min((middle[name] - wide[name] / 2 for name in middle), default=0)
    right = max((middle[name] + wide[name] / 2 for name in middle), default=0)
    place = {name: (middle[name] - left + _MARGIN, i * _LAYER + _MARGIN, wide[name]) for i, layer in enumerate(layers) for name in layer}
    return place, right - left + 2 * _MARGIN


def _apart(wanted: list[float], wide: list[float]) -> list[float]:
    """Return places near those that are wanted, in their order, without overlap: the mean of packing from both sides."""

    def packed(order: list[int], sign: int) -> dict[int, float]:
        found: dict[int, float] = {}
        for i, now in enumerate(order):
            found[now] = wanted[now]
            if i:
                last = order[i - 1]
                least = found[last] + sign * ((wide[last] + wide[now]) / 2 + _GAP)
                found[now] = max(wanted[now], least) if sign > 0 else min(wanted[now], least)
        return found

    ranks = list(range(len(wanted)))
    forward, backward = packed(ranks, 1), packed(ranks[::-1], -1)
    return [(forward[i] + backward[i]) / 2 for i in ranks]


def _edge(chain: Chain, place: dict[str, tuple[float, float, float]], graph: Graph) -> str:
    first, last = place[chain[0]], place[chain[-1]]
    points = [(first[0], first[1] + _HEIGHT)]
    for name in chain[1:-1]:
        x, top, _ = place[name]
        points += [(x, top), (x, top + _HEIGHT)]
    points.append((last[0], last[1] - 4))  # the arrow's head
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for i, ((x0, y0), (x1, y1)) in enumerate(itertools.pairwise(points)):
        half = (y1 - y0) / 2
        path += f"L{x1:.1f} {y1:.1f}" if i % 2 else f"C{x0:.1f} {y0 + half:.1f} {x1:.1f} {y1 - half:.1f} {x1:.1f} {y1:.1f}"
    x, y = points[-1]
    chosen = graph.choices.get((chain[0], chain[-1]))
    drawn = f'<path class="edge{" choice" if chosen else ""}" d="{path}"/>'
    drawn += f'<path class="head" d="M{x - 4:.1f} {y - 4:.1f}L{x + 4:.1f} {y - 4:.1f}L{x:.1f} {y + 4:.1f}Z"/>'
    if chosen:
        drawn += f'<text class="note" x="{x:.1f}" y="{y - 9:.1f}">{chosen}</text>'
    return drawn


def _label(node: Node) -> str:
    return f"{node.label} for each" if node.several else node.label


def _box(node: Node, x: float, top: float, wide: float) -> str:
    left = x - wide / 2
    frame = f'<rect class="{node.kind}" x="{left:.1f}" y="{top:.1f}" width="{wide:.1f}" height="{_HEIGHT}" rx="5"/>'
    if node.kind in ("workflow", "plan"):
        frame += (
            f'<rect class="{node.kind} inner" x="{left + 3:.1f}" y="{top + 3:.1f}" width="{wide - 6:.1f}" height="{_HEIGHT - 6}" rx="3"/>'
        )
    middle = top + _HEIGHT / 2
    lines = f'<text class="name" x="{x:.1f}" y="{middle - (1 if node.note else -4):.1f}">{escape(_label(node))}</text>'
    if node.note:
        lines += f'<text class="note" x="{x:.1f}" y="{middle + 13:.1f}">{escape(node.note)}</text>'
    return f"<g>{frame}{lines}</g>"
