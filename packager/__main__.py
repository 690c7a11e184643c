"""The command `packager`, and `python -m packager`: first of all the current folder leaves the module path."""

import os

from packager.engine.processes import import_path


def run() -> None:
    """Run the command line of this process."""
    import_path.leave_current_folder()
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy starts threads for matrices, which nothing here has
    from packager.cli import app  # not before: it imports much

    app.run()


if __name__ == "__main__":
    run()
