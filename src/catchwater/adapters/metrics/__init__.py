"""Measurements as lines of a log, which CloudWatch and Cloud Logging turn into metrics."""
