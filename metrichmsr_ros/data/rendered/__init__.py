"""Tier (b): sampled people rendered small and read by the real BlazePose."""
