"""Body models, virtual markers, volumes and their targets."""
