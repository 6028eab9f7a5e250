"""What is asked? Lengths of the requests and how long their users wait."""

from __future__ import annotations

from dse.arrays import Number, pytree

__all__ = ["Traffic"]


@pytree
class Traffic:
    """A stream of requests with its service-level objectives.

    input_tokens, output_tokens: mean lengths [tokens]; input_variation, output_variation: standard deviation
    over mean [1]; prefix_hit_rate: share of the input found in the prefix cache [1];
    time_to_first_token, time_per_output_token: limits [s]; concurrency: largest number of sequences that
    the clients keep in flight, over the whole deployment [1].
    No limit is a very large number, so that no infinity enters the arithmetic.
    """

    input_tokens: Number
    output_tokens: Number
    input_variation: Number
    output_variation: Number
    prefix_hit_rate: Number
    time_to_first_token: Number
    time_per_output_token: Number
    concurrency: Number
