"""Agents: workers on machines of one's own and on rented ones, and who pays for them."""
