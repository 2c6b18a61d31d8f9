"""Parametric bodies in the SMPL format: skinning, loading, the licence-free default."""
