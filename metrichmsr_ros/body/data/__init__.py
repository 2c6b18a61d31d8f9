"""Bodies that ship; a package, so that they are installed with the code."""
