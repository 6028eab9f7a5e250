"""How good is a search? Speed beside plain Optuna, samplers beside the proven optimum, a published protocol."""
