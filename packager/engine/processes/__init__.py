"""Work on several processes of this machine, or on the workers of a Dask cluster.

`worker_pool.py` says what a task is, `local_workers.py` and `dask_cluster.py` run them. `child_processes.py` starts
every process, so that none imports a file of the current folder.
"""
