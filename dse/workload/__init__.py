"""What is to be computed: the model, its operators and the traffic."""
