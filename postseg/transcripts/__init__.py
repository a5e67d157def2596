"""Which transcript lies in which cell: points, looked up in runs, become cells x genes."""
