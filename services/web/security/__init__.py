"""Sessions, login attempts, and the middleware that protects every page."""
