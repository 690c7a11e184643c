"""BitTorrent's formats: bencode, .torrent files, hash trees, magnet links, scrape messages (BEP 3, 9, 48, 52, 53).

`build_torrent.py` makes a .torrent, `parse_torrent.py` reads a stranger's; `client_support.py` says what each client
refuses. Hashing of data is in `engine/hashing/`, talking to peers and trackers in `engine/network/`.
"""
