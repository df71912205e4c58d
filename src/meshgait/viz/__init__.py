"""Pictures of silhouettes, volumes and meshes."""
