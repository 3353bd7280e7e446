"""Groups ids that are the same visitor or user, over any number of links. SQL cannot do this in one query on Spark."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa

Node = tuple[str, str, str]  # site, kind and id


def id_groups(links: "pa.Table") -> "pa.Table":
    """Return each linked id with the smallest id of its group: (site, kind, id, group_id).

    Args:
        links: Links between two ids of one kind: (site, kind, id, other_id).
    """
    import pyarrow as pa

    parent: dict[Node, Node] = {}

    def root(node: Node) -> Node:
        parent.setdefault(node, node)
        top = node
        while parent[top] != top:
            top = parent[top]
        while parent[node] != top:
            parent[node], node = top, parent[node]
        return top

    for row in links.to_pylist():
        one, other = (root((row["site"], row["kind"], row[name])) for name in ("id", "other_id"))
        parent[max(one, other)] = min(one, other)
    nodes = sorted(parent)
    columns = {name: [node[place] for node in nodes] for place, name in enumerate(("site", "kind", "id"))}
    columns["group_id"] = [root(node)[2] for node in nodes]
    return pa.table(columns, schema=pa.schema([(name, pa.string()) for name in columns]))
