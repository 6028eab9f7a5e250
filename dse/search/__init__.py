"""Where the best design is looked for."""
