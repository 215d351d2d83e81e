"""What reviewers do beside giving a ticket its category."""
