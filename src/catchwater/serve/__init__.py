"""How people and programs read the warehouse: the HTTP API, the console, Looker."""
