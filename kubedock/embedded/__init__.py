"""One local node behind the ``Cluster`` Protocol: objects in memory and on disk, pods as processes of this machine.

``runtime.Runtime`` is the seam between the node, which knows Kubernetes, and what runs processes, which does not.
"""

CLOSE_SECONDS = 30.0
"""So long the end of a node may take at most: of its pods, its file of objects, and the runtime."""
