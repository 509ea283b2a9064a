"""The logs and the files that they name; nothing here knows a source, a warehouse or a cloud."""
