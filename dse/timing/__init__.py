"""How long it takes: operators on units, memories and links, under a mapping."""
