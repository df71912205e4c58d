"""What is wrong with a packed store: findings, each with a remedy; memory does not grow with the frames."""
