"""The graph of a file's lineage: columns from the file back to the author's own files."""

from dataclasses import dataclass

from film_pipeline.stores.screening import Landed, Lineage

BOX_WIDTH, BOX_HEIGHT, GAP_X, GAP_Y = 236, 44, 56, 12
_IN_A_COLUMN = 14
_LONGEST_WAY = 32


@dataclass(frozen=True)
class Node:
    """One file in the graph. of_the_author: nothing was recorded of how it was made."""

    sha256: str
    title: str
    says: str
    x: int
    y: int
    of_the_author: bool
    more: int = 0
    """How many further files this box stands for."""


@dataclass(frozen=True)
class Link:
    path: str


@dataclass(frozen=True)
class Graph:
    """Boxes and lines in pixels. whole: False where the lineage goes on beyond what is drawn."""

    nodes: tuple[Node, ...]
    links: tuple[Link, ...]
    width: int
    height: int
    whole: bool


def draw(sha256: str, lineage: Lineage, known: dict[str, Landed]) -> Graph:
    """Lay a lineage out: the file at the left, what it was made from to its right, step by step."""
    column = _columns(sha256, lineage)
    named: dict[str, tuple[str, str]] = {sha256: ("", "")}
    for edge in lineage.edges:
        named.setdefault(edge.reference_sha256, (edge.role, edge.name))
    columns: dict[int, list[str]] = {}
    for name, place in column.items():
        columns.setdefault(place, []).append(name)
    nodes: dict[str, Node] = {}
    for place, names in sorted(columns.items()):
        shown, rest = names[:_IN_A_COLUMN], names[_IN_A_COLUMN:]
        x = place * (BOX_WIDTH + GAP_X)
        for row, name in enumerate(shown):
            nodes[name] = _node(name, named[name], known.get(name), x, row * (BOX_HEIGHT + GAP_Y))
        if rest:
            y = len(shown) * (BOX_HEIGHT + GAP_Y)
            nodes[f"rest {place}"] = Node("", f"and {len(rest)} more", "", x, y, False, len(rest))
    drawn = {(edge.sha256, edge.reference_sha256) for edge in lineage.edges}
    links = tuple(_link(nodes[one], nodes[other]) for one, other in sorted(drawn) if one in nodes and other in nodes)
    width = (max(columns) + 1) * (BOX_WIDTH + GAP_X) - GAP_X
    height = max(node.y for node in nodes.values()) + BOX_HEIGHT
    return Graph(tuple(nodes.values()), links, width, height, lineage.whole)


def _columns(sha256: str, lineage: Lineage) -> dict[str, int]:
    """How far each file stands from the first, by the longest way, so that every line runs forward."""
    column = {sha256: 0}
    for _ in range(_LONGEST_WAY):
        before = dict(column)
        for edge in lineage.edges:
            if edge.sha256 in column:
                further = column[edge.sha256] + 1
                column[edge.reference_sha256] = max(column.get(edge.reference_sha256, 0), further)
        if column == before:
            break
    return column


def _node(sha256: str, named: tuple[str, str], landed: Landed | None, x: int, y: int) -> Node:
    role, name = named
    if landed is None:
        return Node(sha256, name or "author's file", role, x, y, True)
    title = landed.media_path.rsplit("/", 1)[-1]
    return Node(sha256, title, f"{landed.stage} · {landed.role}", x, y, False)


def _link(one: Node, other: Node) -> Link:
    x, y = one.x + BOX_WIDTH, one.y + BOX_HEIGHT // 2
    to_x, to_y = other.x, other.y + BOX_HEIGHT // 2
    bend = max(GAP_X // 2, (to_x - x) // 2)
    return Link(f"M{x} {y}C{x + bend} {y} {to_x - bend} {to_y} {to_x} {to_y}")
