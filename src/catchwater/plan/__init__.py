"""The frozen result of project and environment; a plan never acts."""
