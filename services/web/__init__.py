"""The pages that people use: classify a ticket, review, classify a file, look at the models."""
