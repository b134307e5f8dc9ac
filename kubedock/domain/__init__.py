"""Our own words for containers, images, networks, volumes and events. Pure: the standard library, no I/O, no clock."""
