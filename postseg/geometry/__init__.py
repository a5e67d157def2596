"""Outlines, and where they lie; knows no thresholds."""
