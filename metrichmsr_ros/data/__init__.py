"""Synthetic people and scenes, and readers of images, videos and bags."""
