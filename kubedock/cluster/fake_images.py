"""What the fakes' registry has: every image whose name has no part that begins with ``nosuch``. Pure."""


def missing(image: str) -> str:
    """The kubelet's text for an image that cannot be pulled, "" for one that can."""
    if not any(part.startswith("nosuch") for part in image.split("/")):
        return ""
    full = image if "/" in image else f"library/{image}"
    full = f"docker.io/{full}" if "." not in full.partition("/")[0] else full
    full = full if ":" in full.rpartition("/")[2] or "@" in full else f"{full}:latest"
    return (
        f'rpc error: code = NotFound desc = failed to pull and unpack image "{full}": failed to resolve reference "{full}":'
        f" {full}: not found"
    )


def malformed(image: str) -> str:
    """The kubelet's text for what is no image's name, "" for what is one."""
    if image == image.lower() or ":" in image or "@" in image:
        return ""
    return (
        f'Failed to apply default image tag "{image}": couldn\'t parse image name "{image}":'
        " invalid reference format: repository name must be lowercase"
    )
