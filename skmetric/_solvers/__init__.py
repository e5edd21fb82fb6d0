"""How a map is found: L-BFGS, stochastic solvers, and what one sees meanwhile."""
