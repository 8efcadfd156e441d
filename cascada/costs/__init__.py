"""What computing costs: price tables, the own cluster, what was spent, and budgets."""
