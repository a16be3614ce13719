"""What Bridge costs, next to what it could cost at best. `README.md` has the numbers."""
