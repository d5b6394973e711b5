"""What `hemostat serve` says over HTTP: the webhook, the pages, its health. Knows requests; must not know a step."""
