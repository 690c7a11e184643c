"""`verify`: one run over all targets, full, quick or by sample, with a record of what was verified when.

Start at `verify.py`; `verify_run.py` hashes and collects faults.
"""
