"""What the tests share: other processes, invented tickets, and real servers."""
