"""Who proposes the next designs? Optuna's samplers, and two that score very many designs before every trial."""
