"""What an operator does, one verb per module; each takes a site and returns a report."""
