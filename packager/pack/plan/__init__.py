"""Makes the plan from the catalogue: what is new, changed or gone, and which shard each record goes to.

Start reading at `make_plan.py`.
"""
