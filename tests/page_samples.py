"""A small filter run with pictures, to make report pages of, and a reader of such pages."""

import base64
import gzip
import io
import json
from datetime import datetime
from html.parser import HTMLParser
from xml.etree.ElementTree import Element, TreeBuilder

import numpy as np
from PIL import Image

from postseg import PostSegmentation
from postseg.filtering.criteria import TESTS
from postseg.show.page.render import (
    Crop,
    GalleryPictures,
    Picture,
    Pictures,
    PlacePicture,
    SweepPictures,
    render,
)

MADE = datetime(2026, 3, 4, 15, 6)
_TYPES = {"u1": "<u1", "i4": "<i4", "f8": "<f8", "i8": "<i8"}
NASTY = '</script><script>alert("1, 2")</script>'


ALL_ON = {test.threshold: 0.5 for test in TESTS} | {
    "min_area": 101,
    "min_absolute_area": 4,
    "max_area": 20000,
    "area_std_filter": 3,
    "max_solidity": 0.99,
    "max_extent": 0.9,
    "max_perimeter_area_ratio": 6.25,
}


class WithNastyReason(PostSegmentation):
    def rejections(self, regions):
        failed = super().rejections(regions)
        failed[NASTY] = regions["area"] == 144
        return failed


def cells(n=150):
    """Rectangles: most of them cells, some tiny, some small, some with a corner cut out."""
    image = np.zeros((20 * (n // 10 + 1), 200), np.int64)
    for i in range(n):
        row, col = 20 * (i // 10) + 1, 20 * (i % 10) + 1
        height, width = 12 - i % 3, 12
        if i % 9 == 4:
            height, width = 1 + i % 13, 1
        elif i % 11 == 5:
            height, width = 5, 11
        image[row : row + height, col : col + width] = i + 1
        if i % 7 == 3:
            image[row : row + 9, col + 4 : col + 12] = 0
    return image


def filtered(masks=None, cls=PostSegmentation, **thresholds):
    post = cls(cells() if masks is None else masks, filter_config=thresholds, verbose=False)
    post.filter_cell_by_regionprops(post.masks)
    return post


def png(width, height, colour="white"):
    target = io.BytesIO()
    Image.new("RGB", (width, height), colour).save(target, "PNG")
    return target.getvalue()


def pictures_of(post):
    """Plain colours in place of pictures, but as many and as large as real ones."""
    chart = Picture(b'<svg xmlns="http://www.w3.org/2000/svg"/>', "A chart", 420, 240)
    thumbnail = Picture(png(96, 96), "A cell", 96, 96)
    regions = post.regions

    def crop(region):
        row = regions.loc[region]
        return Crop(thumbnail, f"{row['area']} px", region, row["label"] > 0)

    near = [crop(region) for region in regions.index[::-1][:12]]
    galleries = [
        GalleryPictures(
            reason, [crop(region) for region in group.index[:24]], near[:3], "Their areas."
        )
        for reason, group in regions[regions["label"] == 0].groupby("reason")
    ]
    colours = ["", *dict.fromkeys(regions["reason"][regions["label"] == 0])]
    return Pictures(
        overview=Picture(png(1800, 1200, "beige"), "The label image", 1800, 1200),
        detail=Picture(png(600, 400, "beige"), "A part of it", 600, 400),
        swatches={reason: png(34, 14, "teal") for reason in colours},
        histograms=[("area", chart), ("solidity", chart)],
        sweeps=[SweepPictures("min_absolute_area", "50", "A note.", chart, near)],
        galleries=galleries,
    )


def with_places(post):
    """The pictures of a slide: shares with their scale, and two places closer."""
    closer = [Picture(png(96, 96), f"{k}: 9 of 10: rows {k} to 9", 96, 96) for k in (1, 2)]
    places = [PlacePicture(closer[0], 12.5, 80), PlacePicture(closer[1], 60, 33.333)]
    scale = Picture(b'<svg xmlns="http://www.w3.org/2000/svg"/>', "Which colour is what", 300, 60)
    return pictures_of(post)._replace(detail=None, places=places, scale=scale)


def page_of(post, title="Nuclei", source="nuclei.npy", pictures=None, **more):
    pictures, told = pictures or pictures_of(post), {"title": title, "source": source, "made": MADE}
    return render(post.filter_report, post.regions, pictures, **told, **more)


def packed_of(post, image=None):
    """What a page holds to filter anew."""
    return post._to_be_moved(*post._scene(image))


def live_page_of(post, **more):
    """A page with thresholds that can be moved."""
    return page_of(post, live=packed_of(post), **more)


def unpack(packed):
    """Read as the browser does: the head, and the arrays by name."""
    data = gzip.decompress(base64.b64decode(packed))
    at = 4 + int.from_bytes(data[:4], "little")
    head, arrays = json.loads(data[4:at]), {}
    for name, kind, size, stride in head["arrays"]:
        dtype = np.dtype(_TYPES[kind])
        planes = np.frombuffer(data, np.uint8, size * dtype.itemsize, at)
        values = planes.reshape(dtype.itemsize, size).T.copy().view(dtype).ravel()
        for first in range(stride, size, stride or size or 1):
            part = values[first : first + stride]
            part += values[first - stride : first][: part.size]
        arrays[name] = values
        at += size * dtype.itemsize
    assert at == len(data)
    return head, arrays


class _Reader(HTMLParser):
    def __init__(self):
        super().__init__()
        self.builder, self.open = TreeBuilder(), []

    def handle_starttag(self, tag, attrs):
        self.builder.start(tag, {name: value or "" for name, value in attrs})
        if tag in ("img", "input", "meta"):
            self.builder.end(tag)
        else:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.builder.end(tag)

    def handle_data(self, data):
        if self.open:
            self.builder.data(data)


def read(page) -> Element:
    """Parse a page in which every element is closed."""
    reader = _Reader()
    reader.feed(page)
    assert reader.open == []
    return reader.builder.close()


def text(element):
    return " ".join("".join(element.itertext()).split())


def audit(tree):
    """The data of the table of rejected regions."""
    packed = tree.find(".//script[@id='data']").text
    return json.loads(gzip.decompress(base64.b64decode(packed)))
