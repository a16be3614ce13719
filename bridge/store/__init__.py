"""All SQL of Bridge, and nothing else. SQL is the only truth; see DESIGN in docs/architecture.md."""
