"""Tiles to one slide: label images of parts, merged so that no cell is cut, doubled or lost."""
