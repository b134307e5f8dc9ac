"""A suite as a user has it: pytest, Testcontainers and the clients of what it starts. Nothing in it knows of kubedock.

The file's name keeps it out of what pytest collects by itself: ``python -m pytest suite.py`` runs it.
"""

import urllib.request
from collections.abc import Iterator

import docker
import psycopg
import pytest
from testcontainers.community.postgres import PostgresContainer
from testcontainers.community.redis import RedisContainer
from testcontainers.core.container import DockerContainer
from testcontainers.core.labels import SESSION_ID
from testcontainers.core.network import Network
from testcontainers.core.waiting_utils import wait_for_logs

PAGE = "/usr/share/nginx/html/index.html"


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresContainer]:
    """A database with one table, made by the image's own start-up scripts."""
    schema = b"CREATE TABLE customer (id serial PRIMARY KEY, name text NOT NULL UNIQUE);\n"
    container = PostgresContainer("postgres:16-alpine", driver=None)
    container.with_copy_into_container(schema, "/docker-entrypoint-initdb.d/schema.sql")
    with container:
        yield container


@pytest.fixture(scope="module")
def web() -> Iterator[DockerContainer]:
    """A web server with a page of our own."""
    container = DockerContainer("nginx:alpine").with_exposed_ports(80).with_copy_into_container(b"hello\n", PAGE)
    with container:
        wait_for_logs(container, "start worker process", timeout=30)
        yield container


def get(container: DockerContainer, path: str = "/") -> str:
    """What a web server answers, through its published port."""
    url = f"http://{container.get_container_host_ip()}:{container.get_exposed_port(80)}{path}"
    with urllib.request.urlopen(url, timeout=10) as reply:
        return reply.read().decode()


def test_sql(postgres: PostgresContainer) -> None:
    """Through the published port: what is written is read, and what is wrong is refused by the database."""
    with psycopg.connect(postgres.get_connection_url(), connect_timeout=10) as connection:
        with connection.cursor() as cursor:
            cursor.executemany("INSERT INTO customer (name) VALUES (%s)", [("Ada",), ("Grace",)])
        connection.commit()

        assert connection.execute("SELECT id, name FROM customer ORDER BY id").fetchall() == [(1, "Ada"), (2, "Grace")]
        with pytest.raises(psycopg.errors.UniqueViolation):
            connection.execute("INSERT INTO customer (name) VALUES ('Ada')")


def test_much_data(postgres: PostgresContainer) -> None:
    """Eight megabytes there and back."""
    text = "x" * 8_000_000
    with psycopg.connect(postgres.get_connection_url(), connect_timeout=10) as connection:
        (found,) = connection.execute("SELECT %s::text", [text]).fetchone() or ("",)
    assert found == text


def test_redis() -> None:
    """Values, and a second connection that waits for them."""
    with RedisContainer("redis:7-alpine") as container:
        client = container.get_client(decode_responses=True)
        client.set("greeting", "hello")
        assert client.get("greeting") == "hello"

        with container.get_client(decode_responses=True).pubsub() as subscriber:
            subscriber.subscribe("news")
            assert subscriber.get_message(timeout=5)["type"] == "subscribe"
            assert client.publish("news", "today") == 1
            assert subscriber.get_message(timeout=5)["data"] == "today"
        client.close()


def test_http(web: DockerContainer) -> None:
    """The page that was put into the container before its start, then another one while it runs."""
    assert get(web) == "hello\n"
    web.copy_into_container(b"goodbye\n", "/usr/share/nginx/html/later.html")
    assert get(web, "/later.html") == "goodbye\n"


def test_logs(web: DockerContainer) -> None:
    """What the server writes can be waited for."""
    get(web, "/?name=waited-for")
    wait_for_logs(web, "waited-for", timeout=30)


def test_exec(web: DockerContainer) -> None:
    """Output and exit code."""
    assert web.exec(["cat", PAGE]) == (0, b"hello\n")
    assert web.exec(["sh", "-c", "echo some; exit 3"]) == (3, b"some\n")


def test_two_talk_by_alias() -> None:
    """In a network of their own."""
    with Network() as network:
        server = DockerContainer("nginx:alpine").with_network(network).with_network_aliases("web", "other")
        caller = DockerContainer("alpine").with_network(network).with_command("sleep 1000")
        with server, caller:
            wait_for_logs(server, "start worker process", timeout=30)
            for name in ("web", "other"):
                done = caller.exec(["wget", "-q", "-O", "-", f"http://{name}/"])
                assert (done.exit_code, b"nginx" in done.output) == (0, True), done


def test_the_reaper_watches(web: DockerContainer) -> None:
    """Ryuk is on: its container is listed as any other."""
    client = docker.from_env()
    try:
        (ryuk,) = client.containers.list(filters={"name": f"testcontainers-ryuk-{SESSION_ID}"})
        assert ryuk.status == "running"
    finally:
        client.close()
