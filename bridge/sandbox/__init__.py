"""Stand-in vendors that speak real HTTP, and the page with their phones."""
