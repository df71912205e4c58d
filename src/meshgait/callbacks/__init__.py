"""What is evaluated, drawn and written while training."""
