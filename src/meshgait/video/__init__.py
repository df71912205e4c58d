"""From a video to silhouettes: reading, camera motion, segmentation, tracking, choice of walks, output."""
