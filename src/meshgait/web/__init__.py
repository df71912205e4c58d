"""A web page for one person on this computer: drop a video, see who walks in it, enrol, identify, erase."""
