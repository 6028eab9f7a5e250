"""How are designs tried one by one, by any number of processes that may die? Optuna studies and where they live."""
