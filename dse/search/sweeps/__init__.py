"""Which points of a whole grid are best? Exactly, by bounds that pass over what cannot be, on one machine or many."""
