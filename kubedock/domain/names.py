"""Names: random ones for containers, the rule for given ones, and names that Kubernetes accepts.

``object_name`` has two guarantees: what it returns is always a valid DNS-1123 label, and two containers, or two runs of
one container, never get the same.
"""

import re
from random import Random

from kubedock.errors import InvalidParameter

RESTRICTED = "[a-zA-Z0-9][a-zA-Z0-9_.-]"
LABEL_LENGTH = 63

_CONTAINER = re.compile(RESTRICTED + "+")
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_SUBDOMAIN = re.compile(r"(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*", re.DOTALL)
_UNSAFE = re.compile(r"[^a-z0-9]+")


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


ADJECTIVES = _words("""
able agile airy amber ample apt azure bold brave breezy brief bright brisk calm candid careful cheery chief civil clean clear
clever cool cosy crisp curious daring deft dense early earnest easy exact fair fancy fast fine firm fleet fluent fond frank free
fresh frosty gentle giddy glad gleaming golden grand great handy happy hardy hasty hearty honest humble ideal jolly joyful keen
kind large late lively loyal lucid lucky lunar mellow merry mighty mild modest neat nifty nimble noble novel open patient placid
plain polite prime proud quick quiet rapid rare ready regal robust rosy round rustic sharp shiny silent silver simple sleek
smart smooth snappy snug sober solar solid sound spare speedy spry stable steady still stout sunny sure swift tidy tranquil trim
true upbeat urban valid vast vivid warm wary wise witty zesty
""")
NOUNS = _words("""
acorn anchor anvil apple arch aspen atlas badger bamboo barge basin beacon beaver birch bison bridge brook buoy cabin cable
canal canoe canyon castle cedar cherry cliff clover cloud comet compass condor copper coral cove crane creek crystal cypress
delta dolphin dune eagle ember falcon fern ferry fjord flint forest fox gable galley garnet geyser glacier granite grove gull
harbor harvest hazel heron hill hull island ivy jetty juniper kayak keel kestrel lagoon lantern larch lark ledge lever
lighthouse lily lotus lynx magnet maple marble marsh meadow mesa mill mole moss oak oasis olive orbit orchard osprey otter owl
panda pebble pelican pier pine plover pond poplar port prairie puffin quarry quartz quay rail raven reef ridge river robin
rudder sail sequoia shore sparrow spruce stone stream summit swallow tern thistle tide timber torch trail tulip tundra valley
walnut wharf willow wren yacht
""")


def random_name(random: Random) -> str:
    """Two words for a container that was given none; with a hyphen, so that they are a name in the cluster's DNS."""
    return f"{random.choice(ADJECTIVES)}-{random.choice(NOUNS)}"


def container_name(text: str) -> str:
    """A name as a client gave it, without the leading slash; InvalidParameter when Docker would not have it."""
    name = text.removeprefix("/")
    if _CONTAINER.fullmatch(name) is None:
        raise InvalidParameter(f"Invalid container name ({text}), only {RESTRICTED} are allowed")
    return name


def volume_name(text: str) -> str:
    """A volume's name; InvalidParameter when Docker's local driver would not have it."""
    if len(text) == 1:
        raise InvalidParameter("volume name is too short, names should be at least two alphanumeric characters")
    if _CONTAINER.fullmatch(text) is None:
        raise InvalidParameter(
            f'"{text}" includes invalid characters for a local volume name, only "{RESTRICTED}" are allowed.'
            " If you intended to pass a host directory, use absolute path"
        )
    return text


def is_label(text: str) -> bool:
    """Text is a DNS-1123 label: what the API server takes for a hostname and an object's name."""
    return _LABEL.fullmatch(text) is not None


def is_subdomain(text: str) -> bool:
    """Text is a DNS-1123 subdomain: what the API server takes for a name in a pod's ``/etc/hosts``."""
    return _SUBDOMAIN.fullmatch(text) is not None


def slug(text: str, length: int = LABEL_LENGTH) -> str:
    """The nearest DNS-1123 label of at most this length; "" when nothing of the text can be kept."""
    return _UNSAFE.sub("-", text.lower()).strip("-")[:length].rstrip("-")


def hostname(text: str) -> str:
    """The host name that a pod can have for one that was asked: its first label, made valid; "" when none is left."""
    return text if is_label(text) else slug(text.partition(".")[0])


def object_name(prefix: str, name: str, short_id: str, run: int) -> str:
    """The Kubernetes name of a container's run: ``<prefix>-<name>-<12 hex>``, with ``-r2`` and so on from the second.

    The end alone tells containers and runs apart (``r`` is no hex digit), so the front may be cut and made safe.
    """
    end = short_id if run < 2 else f"{short_id}-r{run}"
    front = slug(f"{prefix}-{name}", LABEL_LENGTH - len(end) - 1)
    return f"{front}-{end}" if front else end
