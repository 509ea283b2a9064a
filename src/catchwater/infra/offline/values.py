"""Value rules: what a schema can't say of the arguments that our modules write; they are told as diagnostics."""

from catchwater.infra.offline.protocol import Problem, Values


def problems(type_name: str, config: Values) -> list[Problem]:
    return []
