"""What a project declares: the file, the models, the names. Nothing here reads data or opens a connection."""
