"""Capture from Postgres: what a run locks, reads, compares and proves; `source` is where it begins."""
