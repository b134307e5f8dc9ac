"""testcontainers-python on a machine that it takes for a container: where does it look for published ports?

``python -m tests.support.in_a_container`` starts a web server in a network, and says as JSON how it was reached.
"""

import json
import os
import sys
import urllib.request

os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")

IMAGE = "nginx"


def main() -> None:
    """Run it."""
    from testcontainers.core import utils
    from testcontainers.core.container import DockerContainer
    from testcontainers.core.network import Network

    utils.inside_container = lambda: True  # what /.dockerenv says
    with Network() as network, DockerContainer(IMAGE).with_exposed_ports(80).with_network(network) as container:
        host, port = container.get_container_host_ip(), container.get_exposed_port(80)
        mode = container.get_docker_client().get_connection_mode().name
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{host}:{port}/", timeout=20) as answer:
            found = "nginx" in answer.read().decode()
    json.dump({"mode": mode, "host": host, "found": found}, sys.stdout)


if __name__ == "__main__":
    main()
