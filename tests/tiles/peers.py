"""How others put tiles together, each written from its description, not from its code.

Each takes label images with labels of their own, their rectangles and the slide's shape, and gives
a label image of the slide.
"""

from collections import defaultdict

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def distinct(tiles):
    """The tiles with labels that are unique among them, and the area of each label."""
    images, above = [], 0
    for tile in tiles:
        images.append(np.where(tile, tile + above, 0))
        above += int(tile.max(initial=0))
    return images, sum(np.bincount(image.ravel(), minlength=above + 1) for image in images)


def place(rectangle):
    r0, c0, r1, c1 = rectangle
    return slice(r0, r1), slice(c0, c1)


def owners(rectangles, shape):
    """The tile in which each pixel lies deepest, counted from sides within the slide."""
    best, owner = np.full(shape, -1.0), np.full(shape, -1)
    rows, columns = np.arange(shape[0])[:, None] + 0.5, np.arange(shape[1]) + 0.5
    for position, (r0, c0, r1, c1) in enumerate(rectangles):
        depth = np.full(shape, np.inf)
        for inside, distance in [
            (r0 > 0, rows - r0),
            (c0 > 0, columns - c0),
            (r1 < shape[0], r1 - rows),
            (c1 < shape[1], c1 - columns),
        ]:
            if inside:
                depth = np.minimum(depth, distance)
        deeper = depth > best
        best[deeper], owner[deeper] = depth[deeper], position
    return owner


def trimmed(images, owner, rectangles):
    """Every pixel as its owner has it."""
    slide = np.zeros(owner.shape, np.int64)
    for position, (image, rectangle) in enumerate(zip(images, rectangles, strict=True)):
        own = owner[place(rectangle)] == position
        slide[place(rectangle)][own] = image[own]
    return slide


def shared(images, rectangles):
    """Of each two tiles with a common zone: its two images."""
    for b, (r0, c0, r1, c1) in enumerate(rectangles):
        for a, (top, left, bottom, right) in enumerate(rectangles[:b]):
            low, high = (max(r0, top), max(c0, left)), (min(r1, bottom), min(c1, right))
            if low[0] < high[0] and low[1] < high[1]:
                yield [
                    images[i][
                        low[0] - rectangles[i][0] : high[0] - rectangles[i][0],
                        low[1] - rectangles[i][1] : high[1] - rectangles[i][1],
                    ]
                    for i in (a, b)
                ]


def overlaps(one, other):
    """Two labels that share pixels, and how many: three arrays."""
    both = (one > 0) & (other > 0)
    shape = one.max(initial=0) + 1, other.max(initial=0) + 1
    pixels = coo_array((np.ones(both.sum(), np.int64), (one[both], other[both])), shape=shape)
    table = pixels.tocsr().tocoo()
    return table.row.astype(np.int64), table.col.astype(np.int64), table.data


def united(a, b, labels):
    """For each label the number of its group, where pairs a-b are of one."""
    graph = coo_array((np.ones(len(a)), (a, b)), shape=(labels, labels))
    groups = connected_components(graph, directed=False)[1]
    return np.where(np.arange(labels) > 0, groups + 1, 0)


def painted(images, rectangles, shape, value, rank):
    """Whole cells over one another: of each pixel the value of the label with the lowest rank."""
    by_rank = np.argsort(rank[1:], kind="stable") + 1
    position = np.zeros(len(rank), np.int64)
    position[by_rank] = np.arange(1, len(rank))
    best = np.full(shape, len(rank))
    for image, rectangle in zip(images, rectangles, strict=True):
        here = np.where((image > 0) & (value[image] > 0), position[image], len(rank))
        np.minimum(best[place(rectangle)], here, out=best[place(rectangle)])
    return np.append(value[np.append(0, by_rank)], 0)[best]


def trim(tiles, rectangles, shape):
    """Each tile to the middle of its overlaps."""
    return trimmed(distinct(tiles)[0], owners(rectangles, shape), rectangles)


def join_touching(tiles, rectangles, shape):
    """Trim, then join every cell with the one that it touches most over a middle."""
    images, area = distinct(tiles)
    owner = owners(rectangles, shape)
    slide = trimmed(images, owner, rectangles)
    contacts = []
    for here, there in [(np.s_[:-1], np.s_[1:]), (np.s_[:, :-1], np.s_[:, 1:])]:
        border = owner[here] != owner[there]
        contacts.append(overlaps(slide[here][border], slide[there][border]))
    a, b, n = np.concatenate(contacts, axis=1)
    most = [np.zeros(len(area), np.int64) for _ in range(2)]
    np.maximum.at(most[0], a, n)
    np.maximum.at(most[1], b, n)
    best = (n == most[0][a]) | (n == most[1][b])
    return united(a[best], b[best], len(area))[slide]


def stitch(tiles, rectangles, shape, threshold=0.25):
    """One label for those that are each other's best by IoU in the overlap; trim (cellpose)."""
    images, area = distinct(tiles)
    linked = []
    for one, other in shared(images, rectangles):
        a, b, n = overlaps(one, other)
        sizes = [np.bincount(zone.ravel(), minlength=len(area)) for zone in (one, other)]
        iou = n / (sizes[0][a] + sizes[1][b] - n)
        most = [np.zeros(len(area)) for _ in range(2)]
        np.maximum.at(most[0], a, iou)
        np.maximum.at(most[1], b, iou)
        best = (iou >= threshold) & (iou == most[0][a]) & (iou == most[1][b])
        linked.append((a[best], b[best]))
    a, b = np.concatenate(linked, axis=1) if linked else ([], [])
    return united(a, b, len(area))[trimmed(images, owners(rectangles, shape), rectangles)]


def union(tiles, rectangles, shape, threshold=0.5):
    """The union of those that share half of the smaller one (sopa, vpt); larger ones on top."""
    images, area = distinct(tiles)
    linked = []
    for zone in shared(images, rectangles):
        a, b, n = overlaps(*zone)
        same = n >= threshold * np.minimum(area[a], area[b])
        linked.append((a[same], b[same]))
    a, b = np.concatenate(linked, axis=1) if linked else ([], [])
    group = united(a, b, len(area))
    size = np.bincount(group, weights=np.where(group > 0, area, 0))
    return painted(images, rectangles, shape, group, -size[group])


def centroid_owner(tiles, rectangles, shape):
    """Whole cells of the tile that owns their centroid (squidpy); the earlier tile on top."""
    images, area = distinct(tiles)
    owner = owners(rectangles, shape)
    kept = np.zeros(len(area), np.int64)
    for position, (image, (r0, c0, _, _)) in enumerate(zip(images, rectangles, strict=True)):
        rows, columns = np.nonzero(image)
        labels = image[rows, columns]
        found = np.unique(labels)
        size = area[found]
        y, x = (
            (np.bincount(labels, weights=along, minlength=len(area))[found] / size).round()
            for along in (rows, columns)
        )
        own = owner[(y + r0).astype(int), (x + c0).astype(int)] == position
        kept[found[own]] = found[own]
    return painted(images, rectangles, shape, kept, np.arange(len(area)))


def nms(tiles, rectangles, shape, threshold=0.5):
    """Non-maximum suppression (LazySlide): larger ones drop those that lie in them by half."""
    images, area = distinct(tiles)
    beside = defaultdict(list)
    for zone in shared(images, rectangles):
        for a, b, n in zip(*overlaps(*zone), strict=True):
            if n > threshold * min(area[a], area[b]):
                beside[a].append(b)
                beside[b].append(a)
    kept = np.zeros(len(area), np.int64)
    for label in np.argsort(-area[1:], kind="stable") + 1:
        if not any(kept[other] for other in beside[label]):
            kept[label] = label
    return painted(images, rectangles, shape, kept, -area)


PEERS = {
    "trim at the middle": trim,
    "join what touches": join_touching,
    "IoU 0.25 (cellpose)": stitch,
    "union, IoS 0.5 (sopa, vpt)": union,
    "centroid owner (squidpy)": centroid_owner,
    "NMS (LazySlide)": nms,
}
