"""Talking to strangers: HTTP servers, trackers, the DHT and peers, each within limits that we set.

`http_client.py` is the only way to a URL; `resolver.py` looks names up and asks `core/http/allowed_hosts.py`.
`libtorrent_session.py` is the swarm. Clients that the user runs are in `engine/clients/`.
"""
