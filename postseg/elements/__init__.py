"""SpatialData's labels, shapes, table and store, both ways; the only importer of spatialdata."""
