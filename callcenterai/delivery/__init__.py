"""Images, deployment, smoke tests, secrets and notifications."""
