"""HTTP in: vendors' webhooks, the agents' API and page, the site's widget."""
