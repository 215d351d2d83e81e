"""SVG images for pages. ElementTree escapes every text, and the page's style gives the classes their colours."""

from collections.abc import Sequence
from unicodedata import east_asian_width
from xml.etree.ElementTree import Element, SubElement, tostring  # nosec B405  # it writes XML and reads none

# Of the texts in an image, whose size the style sets.
FONT_SIZE = 12
Point = tuple[float, float]


class Svg:
    """An image of this size in pixels; title is what a screen reader says of it."""

    def __init__(self, width: float, height: float, title: str) -> None:
        """Begin with an empty image."""
        size = {"width": _number(width), "height": _number(height), "viewBox": f"0 0 {width:.0f} {height:.0f}"}
        self._root = Element("svg", {**size, "role": "img", "aria-label": title})

    def rect(self, corner: Point, width: float, height: float, kind: str, opacity: float = 1.0) -> None:
        """Add a rectangle by its upper left corner; kind is its class."""
        place = {"x": corner[0], "y": corner[1], "width": width, "height": height, "fill-opacity": opacity}
        self._add("rect", kind, place)

    def circle(self, centre: Point, radius: float, kind: str) -> None:
        """Add a circle."""
        self._add("circle", kind, {"cx": centre[0], "cy": centre[1], "r": radius})

    def line(self, points: Sequence[Point], kind: str) -> None:
        """Add a line through points."""
        places = " ".join(f"{_number(x)},{_number(y)}" for x, y in points)
        SubElement(self._root, "polyline", {"class": kind, "points": places})

    def text(self, place: Point, content: str, kind: str = "", anchor: str = "start", angle: float = 0) -> None:
        """Add a text that begins, has its middle or ends at a place, turned by an angle in degrees."""
        x, y = map(_number, place)
        turned = {"transform": f"rotate({angle:g} {x} {y})"} if angle else {}
        named = {"class": kind} if kind else {}
        element = SubElement(self._root, "text", {"x": x, "y": y, "text-anchor": anchor, **named, **turned})
        element.text = content

    def __html__(self) -> str:
        """Return the image as markup: Jinja2 then does not escape it once more."""
        return tostring(self._root, encoding="unicode")

    def _add(self, tag: str, kind: str, place: dict[str, float]) -> None:
        shown = {name: _number(value) for name, value in place.items() if (name, value) != ("fill-opacity", 1.0)}
        SubElement(self._root, tag, {"class": kind, **shown})


def text_width(text: str) -> float:
    """Estimate the width of a text: characters of Chinese, Japanese and Korean are as wide as high."""
    return sum(FONT_SIZE * (1.0 if east_asian_width(each) in "WF" else 0.56) for each in text)


def _number(value: float) -> str:
    return f"{round(value, 2):g}"
