"""From the graph of an expression to an image, whose pixels are computed when they are read."""
