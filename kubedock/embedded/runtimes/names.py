"""The text of the files that give a pod its names: hosts and resolv.conf."""

from kubedock.embedded.runtime import Dns, Hosts, Sandbox

LOOPBACK = (
    "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\nfe00::0\tip6-localnet\nff00::0\tip6-mcastprefix\n"
    "ff02::1\tip6-allnodes\nff02::2\tip6-allrouters\n"
)


def hosts_head(sandbox: Sandbox) -> str:
    """What every pod's hosts file begins with."""
    return f"{LOOPBACK}{sandbox.ip}\t{sandbox.hostname}\n"


def hosts_lines(hosts: Hosts) -> str:
    """A line for each address."""
    return "".join(f"{address}\t{' '.join(names)}\n" for address, names in hosts)


def resolv_conf(dns: Dns) -> str:
    """The lines that there is something for."""
    lines = [f"search {' '.join(dns.searches)}"] if dns.searches else []
    lines += [f"nameserver {server}" for server in dns.nameservers]
    if dns.options:
        lines.append(f"options {' '.join(dns.options)}")
    return "".join(f"{line}\n" for line in lines)


def machine_file(path: str) -> str:
    """A file of the machine; "" where it has none."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
    except OSError:
        return ""
    return text if text.endswith("\n") or not text else f"{text}\n"
