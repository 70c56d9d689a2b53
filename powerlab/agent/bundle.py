"""Packs the agent into one Python source, which the host sends over the channel it uses.

Nothing is installed on the board: the source carries every module of the agent in a
dictionary and imports them from there.
"""

import pkgutil
from typing import Iterator, List, Sequence

import powerlab.agent


def _modules() -> Iterator[str]:
    """Yield every module of the agent but this one, packages as "name/__init__"."""
    prefix = "powerlab.agent."
    yield "__init__"
    for found in pkgutil.walk_packages(powerlab.agent.__path__, prefix):
        name = found.name[len(prefix) :].replace(".", "/")
        if name != "bundle":
            yield f"{name}/__init__" if found.ispkg else name


MODULES = tuple(_modules())

GREETING = b"powerlab-agent: send\n"
"""The first stage's only words: whoever gets the payload must be a Python that waits for it."""

STAGE_ZERO = (
    f'import sys;print("{GREETING.decode().strip()}");sys.stdout.flush();'
    's=getattr(sys.stdin,"buffer",sys.stdin);'
    'exec(compile(s.read(int(s.readline())),"powerlab-agent","exec"))'
)
"""Greets, then reads the payload's length and the payload from stdin, and nothing beyond."""

# This much must parse on any Python, so that an old one can say that it is too old.
_BOOTSTRAP = """\
import sys
if sys.version_info < (3, 6):
    sys.stderr.write("powerlab-agent: this is Python %d.%d, the agent needs 3.6 or newer\\n"
                     % sys.version_info[:2])
    sys.exit(98)
sys.dont_write_bytecode = True
import importlib.abc, importlib.util
SOURCES = {sources!r}
class Sources(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    def find_spec(self, name, path=None, target=None):
        for key, is_package in ((name + ".__init__", True), (name, False)):
            if key in SOURCES:
                return importlib.util.spec_from_loader(
                    name, self, origin="powerlab-agent/" + name, is_package=is_package)
        return None
    def get_source(self, name):
        return SOURCES.get(name + ".__init__", SOURCES.get(name))
    def get_code(self, name):
        return compile(self.get_source(name), "powerlab-agent/" + name, "exec")
sys.meta_path.insert(0, Sources())
from powerlab.agent.supervise import main
main(sys.argv[1:])
"""


def command(python: str, words: Sequence[str] = ()) -> List[str]:
    """Get the words that start the agent's first stage with an interpreter of the board.

    ``words`` say what it is to be: the agent without any, "counters KIND key=value ..." else.
    """
    return [python, "-u", "-c", STAGE_ZERO, *words]


def payload() -> bytes:
    """Get what to write to the first stage's stdin: a length line and the agent's source."""
    sources = {"powerlab.__init__": ""}
    for module in MODULES:
        source = pkgutil.get_data("powerlab.agent", f"{module}.py")
        if source is None:
            raise FileNotFoundError(f"powerlab/agent/{module}.py")
        sources["powerlab.agent." + module.replace("/", ".")] = source.decode("utf-8")
    text = _BOOTSTRAP.replace("{sources!r}", ascii(sources)).encode("ascii")
    return b"%d\n" % len(text) + text
