"""Reading, storing, choosing and augmenting silhouette sequences."""
