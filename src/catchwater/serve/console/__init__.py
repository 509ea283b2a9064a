"""The console: one server-rendered page and its JSON twin; it shows and changes nothing."""
