"""From the catalogue to the plan: what is new, changed or gone, and which shard each record goes to.

Start at `make_plan.py`.
"""
