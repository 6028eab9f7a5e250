"""What is asked? Lengths of the requests and how long their users wait."""

from __future__ import annotations

from dse.arrays import Number, pytree

__all__ = ["NO_LIMIT", "Traffic"]

NO_LIMIT = 1e9
"""Limit that is never reached, so that no infinity enters the arithmetic [base units]."""


@pytree
class Traffic:
    """A stream of requests with its service-level objectives.

    input_tokens, output_tokens: mean lengths [tokens]; input_variation, output_variation: standard deviation
    over mean [1]; prefix_hit_rate: share of the input found in the prefix cache [1];
    time_to_first_token, time_per_output_token: limits [s]; concurrency: largest number of sequences that
    the clients keep in flight, over the whole deployment [1]; quantisation_noise, accuracy_loss: most that the
    formats of a chip may cost, as in its numerics [1]. Without a limit NO_LIMIT.
    """

    input_tokens: Number
    output_tokens: Number
    input_variation: Number
    output_variation: Number
    prefix_hit_rate: Number
    time_to_first_token: Number
    time_per_output_token: Number
    concurrency: Number
    quantisation_noise: Number = NO_LIMIT
    accuracy_loss: Number = NO_LIMIT
