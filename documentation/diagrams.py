"""Draws the sequence diagrams of the pages, which are written as Mermaid has them, as pictures of our own.

Hosts of repositories draw them by themselves. The site would have to load Mermaid's script, from elsewhere at that;
so they are drawn when it is built. Of Mermaid's language there is what the pages use: participants, arrows, notes,
`alt` and `else`, `loop` and `opt`; anything else is an error, so that no page shows less than it says.
"""

import re
from dataclasses import dataclass, field
from html import escape

_LEFT, _APART, _LINE, _TOP = 90, 150, 38, 92  # of a drawing, in its own units; lanes are so far apart at least
_FARTHEST = 230  # beyond that, a long word hides a piece of the next lane
_WIDE = 6.6  # of a letter, nearly
_ARROW = re.compile(r"(\w+)\s*(-?->>|--?>)\s*(\w+)\s*:\s*(.+)")
_PARTICIPANT = re.compile(r"(?:participant|actor) (\w+)(?: as (.+))?")
_BLOCK = re.compile(r"(alt|else|loop|opt)\b ?(.*)")
_NOTE = re.compile(r"[Nn]ote (?:over|left of|right of) (\w+)(?:, ?(\w+))?: ?(.+)")


class NotDrawn(ValueError):
    """A line that is not understood."""


@dataclass
class _Drawing:
    names: dict[str, str] = field(default_factory=dict)
    shapes: list[str] = field(default_factory=list)
    frames: list[str] = field(default_factory=list)
    open: list[tuple[int, str]] = field(default_factory=list)  # where a frame begins, and what it says
    y: int = _TOP
    apart: int = _APART

    def at(self, name: str) -> int:
        """Return where a participant stands; one that was not introduced bears its own name."""
        self.names.setdefault(name, name)
        return _LEFT + self.apart * list(self.names).index(name)

    def arrow(self, start: int, end: int, label: str, *, dashed: bool) -> None:
        """Draw one from left to right or back; to oneself, a word in its place."""
        self.text(
            (start + end) // 2 if start != end else start + 20,
            self.y - 7,
            label,
            "middle" if start != end else "start",
        )
        if start != end:
            style = ' stroke-dasharray="5 4"' if dashed else ""
            tip = end - 6 if end > start else end + 6
            self.shapes.append(f'<path class="arrow" d="M{start} {self.y}H{tip}"{style} marker-end="url(#tip)"/>')
        self.y += _LINE

    def text(self, x: int, y: int, text: str, anchor: str = "middle", weight: str = "") -> None:
        """Write, over a ground that hides the lines behind it."""
        width = len(text) * _WIDE
        left = x - width / 2 if anchor == "middle" else x
        self.shapes.append(
            f'<rect class="ground" x="{left - 3:.0f}" y="{y - 12}" width="{width + 6:.0f}" height="16"/>'
        )
        bold = f' font-weight="{weight}"' if weight else ""
        self.shapes.append(f'<text x="{x}" y="{y}" text-anchor="{anchor}"{bold}>{escape(text)}</text>')

    def begin(self, label: str) -> None:
        """Open a frame."""
        self.open.append((self.y - 14, label))
        self.y += 24

    def end(self) -> None:
        """Close the last one that is open."""
        top, label = self.open.pop()
        inset = 10 * len(self.open)
        width = _LEFT + self.apart * (len(self.names) - 1) + 70 - 2 * inset
        place = f'x="{10 + inset}" y="{top}" width="{width}" height="{self.y - top - 18}"'
        self.frames.append(f'<rect class="frame" {place} rx="6"/>')
        self.text(20 + inset, top + 17, label, "start", "600")
        self.y += 12


def sequence_diagram(text: str) -> str:
    """Return a picture, as SVG to stand in a page.

    Raises:
        NotDrawn: it is no sequence diagram, or there is more in it than is known here.
    """
    first, *lines = [line.strip() for line in text.strip().splitlines() if line.strip()]
    if first != "sequenceDiagram":
        raise NotDrawn(first)
    names = [found[1] for found in map(_PARTICIPANT.fullmatch, lines) if found]
    drawing = _Drawing(apart=_apart(names, [found for found in map(_ARROW.fullmatch, lines) if found]))
    for line in lines:
        _draw(drawing, line)
    if drawing.open:
        raise NotDrawn("a frame has no end")
    return _svg(drawing)


def _apart(names: list[str], arrows: list[re.Match[str]]) -> int:
    """Return how far apart lanes must be for words to have their place, as far as the whole stays readable."""
    widest = float(_APART)
    for arrow in arrows:
        if arrow[1] in names and arrow[3] in names and arrow[1] != arrow[3]:
            lanes = abs(names.index(arrow[1]) - names.index(arrow[3]))
            widest = max(widest, (len(arrow[4]) * _WIDE + 30) / lanes)
    return min(round(widest), _FARTHEST)


def _draw(drawing: _Drawing, line: str) -> None:
    if found := _PARTICIPANT.fullmatch(line):
        drawing.names[found[1]] = found[2] or found[1]
    elif found := _ARROW.fullmatch(line):
        drawing.arrow(drawing.at(found[1]), drawing.at(found[3]), found[4], dashed=found[2].startswith("--"))
    elif found := _BLOCK.fullmatch(line):
        if found[1] == "else":
            drawing.end()
        drawing.begin(found[2] or found[1])
    elif found := _NOTE.fullmatch(line):
        middle = (drawing.at(found[1]) + drawing.at(found[2] or found[1])) // 2
        drawing.text(middle, drawing.y - 7, found[3], weight="600")
        drawing.y += _LINE
    elif line == "end" and drawing.open:
        drawing.end()
    elif line != "autonumber":
        raise NotDrawn(line)


def _svg(drawing: _Drawing) -> str:
    bottom = drawing.y - 10
    width = 2 * _LEFT + drawing.apart * (len(drawing.names) - 1)
    lanes = [
        f'<path class="lane" d="M{drawing.at(name)} 56V{bottom}"/>'
        f'<rect class="who" x="{drawing.at(name) - 65}" y="20" width="130" height="36" rx="6"/>'
        f'<text x="{drawing.at(name)}" y="43" text-anchor="middle" font-weight="600">{escape(title)}</text>'
        for name, title in drawing.names.items()
    ]
    tip = '<marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto">'
    parts = [
        f'<svg class="sequence" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {bottom + 14}" role="img">',
        f'<defs>{tip}<path d="M0 0 10 5 0 10z"/></marker></defs>',
        *drawing.frames,
        *lanes,
        *drawing.shapes,
        "</svg>",
    ]
    return "".join(parts)
