"""Places where images live, behind one small protocol."""
