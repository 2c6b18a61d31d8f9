"""A synthetic live camera: dressed people who walk in a rendered room, with the whole truth."""
