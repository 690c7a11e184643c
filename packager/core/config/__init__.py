"""packager.toml: its text becomes `options.Config`, or a sentence that says what to change.

`parse_config.py` has the tables and keys, `option_values.py` the checks of single values, `store_url.py` and
`url_values.py` those of addresses.
"""
