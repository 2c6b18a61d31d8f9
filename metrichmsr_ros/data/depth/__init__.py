"""Depth priors as monocular networks give them, made from true depth."""
