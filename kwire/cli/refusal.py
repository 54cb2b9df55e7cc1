"""The one exception by which a subcommand says that it cannot do what was asked."""


class Refusal(Exception):
    """A message for a person: what was asked, what is there, what to do. Printed alone; exit code 1."""
