"""From a map to a loss and a gradient: constraints, penalty, and the map to start from."""
