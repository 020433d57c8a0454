"""Named locks with slots, priorities and a fair queue. `FileLocks` serves one host."""

from actionlib.locking.backend import Lease, LockBackend, LockStatus, LockTimeoutError, Ticket
from actionlib.locking.file_backend import FileLocks

__all__ = ["FileLocks", "Lease", "LockBackend", "LockStatus", "LockTimeoutError", "Ticket"]
