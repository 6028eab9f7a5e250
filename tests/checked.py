"""Which checker of types do the tests use? beartype, to which a whole number is a float as PEP 484 has it."""

from beartype import BeartypeConf, beartype

__all__ = ["typechecker"]

typechecker = beartype(conf=BeartypeConf(is_pep484_tower=True))
"""Optuna holds whole parameters as int; a function of floats takes them, whichever element is looked at."""
