"""Node: serves the operator's page for all trackers of the graph."""
