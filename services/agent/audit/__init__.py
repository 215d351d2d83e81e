"""Which automatically routed tickets people check as well, and what their answers say about the live accuracy."""
