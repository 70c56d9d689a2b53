"""Numbers in the kernel's small files."""

import errno
from typing import Optional

from powerlab.agent.faults import AgentError

_GONE = (errno.ENOENT, errno.ENODEV, errno.ENXIO)


def number(path: str, hint: str = "") -> Optional[int]:
    """Read a whole number; None where the sensor has none to tell now.

    Raises AgentError "counter-unreadable" where the login may not read it (``hint`` says what
    to do), "counter-gone" where it is not there any more.
    """
    try:
        with open(path, "rb") as stream:
            return int(stream.read(64))
    except ValueError:
        return None
    except PermissionError as error:
        raise AgentError(
            "counter-unreadable",
            f"{path} may not be read by this login",
            hint or f"let it be read: sudo chmod a+r {path}",
        ) from error
    except OSError as error:
        if error.errno in _GONE:
            raise AgentError(
                "counter-gone", f"{path} is not there", "look at the board's kernel log (dmesg)"
            ) from error
        return None
