"""One local node behind the ``Cluster`` Protocol: objects in memory and on disk, pods as processes of this machine.

``runtime.Runtime`` is the seam between the node, which knows Kubernetes, and what runs processes, which does not.
"""
