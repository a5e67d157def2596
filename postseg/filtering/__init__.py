"""Which regions are cells, and why the others went; knows no x and y."""
