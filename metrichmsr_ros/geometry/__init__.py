"""Cameras, rays, rotations, alignment, and the depth of meshes."""
