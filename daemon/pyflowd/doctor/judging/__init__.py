"""Says what facts mean: what is in order, what is missing, what that exposes, and what enables it. Looks at nothing."""
