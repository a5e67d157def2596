"""Every other file format, in and out."""
