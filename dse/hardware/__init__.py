"""What a chip is, and the silicon, power and money that follow from it."""
