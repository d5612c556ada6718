"""Pages of the reference, made from the code each time that the site is built. Nothing here is written by hand twice."""
