"""What runs the node's containers: ``runc`` with namespaces, ``chroot`` without. See ``embedded.runtime`` for the seam."""
