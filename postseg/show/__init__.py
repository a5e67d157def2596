"""Figures, the report page and napari layers of a filter run."""
