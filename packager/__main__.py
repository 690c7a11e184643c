"""The command `packager`, and `python -m packager`. First it removes the current folder from the module path."""

import os

from packager.engine.processes import import_path


def run() -> None:
    """Run the command line of this process."""
    import_path.leave_current_folder()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy would start threads for matrices, which we do not use
    from packager.cli import app  # late, because it imports much

    app.run()


if __name__ == "__main__":
    run()
