"""Synthetic people without pictures: poses, cameras, and what BlazePose would say of them."""
