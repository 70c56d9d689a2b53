"""What the agent reports when it cannot do what it was asked."""

import sys
from typing import Dict


class AgentError(Exception):
    """An answer other than success: a stable code, one line, what to do, the evidence."""

    def __init__(self, code: str, message: str, hint: str, detail: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.detail = detail

    def as_reply(self) -> Dict[str, object]:
        """Get the fields of the error reply."""
        return {
            "ok": False,
            "error": self.code,
            "message": self.message,
            "hint": self.hint,
            "detail": self.detail,
        }


def python_version() -> str:
    """Get this interpreter's version, such as "3.6.9"."""
    return ".".join(str(part) for part in sys.version_info[:3])


def reason(error: BaseException) -> str:
    """Get "Type: message" of an exception, which is how a runtime names its own problem."""
    return f"{type(error).__name__}: {error}".strip().rstrip(":")
