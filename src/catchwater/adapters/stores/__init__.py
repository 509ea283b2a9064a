"""Where a zone's objects are kept."""
