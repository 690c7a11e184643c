"""What an HTTP request means and which hosts may be contacted: ranges, conditions, and the rule for addresses.

`allowed_hosts.py` is the one decision about addresses that a document names. Sending and receiving is in `serve/` and
`engine/network/`.
"""
