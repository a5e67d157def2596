"""The report page: its pictures, its table, its text."""
