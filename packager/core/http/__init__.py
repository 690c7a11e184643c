"""HTTP requests and addresses: ranges, conditions, and which hosts may be contacted.

`allowed_hosts.py` makes all decisions about addresses in documents. Code that sends and receives is in `serve/` and
`engine/network/`.
"""
