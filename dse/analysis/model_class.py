"""Of what class is a model? Dense by size, experts by their number, recurrent state and hybrids."""

from __future__ import annotations

from dse.workload.transformer import Transformer

__all__ = ["model_class"]

SIZES = ((20e9, "dense below 20B"), (100e9, "dense 20-100B"))
FEW_EXPERTS = 16.0


def model_class(model: Transformer, parameters: float) -> str:
    """The class under which errors are summarised and left out together; parameters: of the model [1]."""
    if float(model.state_space.layers + model.linear_attention.layers) > 0.0:
        attention = model.attention.layers + model.attention.window_layers + model.latent.layers
        return "hybrid" if float(attention) > 0.0 else "recurrent state"
    if float(model.experts.layers) > 0.0:
        return "few experts" if float(model.experts.count) <= FEW_EXPERTS else "many experts"
    return next((name for limit, name in SIZES if parameters < limit), "dense above 100B")
