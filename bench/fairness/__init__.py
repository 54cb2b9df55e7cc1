"""Whether small clients notice a large one: their p99 alone, and beside one that takes what it can get."""
