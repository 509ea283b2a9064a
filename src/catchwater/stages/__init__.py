"""Ingest, process, load: each consumes logs and commits to one; they see ports only, never an adapter."""
