// One container of each kind of module, each with the wait strategy that its module brings.
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { PostgreSqlContainer } from "@testcontainers/postgresql";
import { RedisContainer } from "@testcontainers/redis";
import pg from "pg";
import { createClient } from "redis";
import { GenericContainer, Network, Wait } from "testcontainers";

describe("redis", () => {
  let container, client;

  before(async () => {
    container = await new RedisContainer("redis:7-alpine").start();
    client = createClient({ url: container.getConnectionUrl() });
    await client.connect();
  });

  after(async () => {
    await client?.close();
    await container?.stop();
  });

  test("what is written is read", async () => {
    await client.set("greeting", "hello");
    assert.equal(await client.get("greeting"), "hello");
  });

  test("an exec has its output and its exit code", async () => {
    const done = await container.exec(["redis-cli", "get", "greeting"]);
    assert.deepEqual([done.exitCode, done.stdout], [0, "hello\n"]);
    assert.equal((await container.exec(["sh", "-c", "exit 3"])).exitCode, 3);
  });
});

// The module waits until the database's health check says that it is healthy.
describe("postgres", () => {
  let container, client;

  before(async () => {
    container = await new PostgreSqlContainer("postgres:16-alpine").start();
    client = new pg.Client({ connectionString: container.getConnectionUri() });
    await client.connect();
  });

  after(async () => {
    await client?.end();
    await container?.stop();
  });

  test("SQL", async () => {
    await client.query("CREATE TABLE customer (id serial PRIMARY KEY, name text NOT NULL)");
    await client.query("INSERT INTO customer (name) VALUES ($1), ($2)", ["Ada", "Grace"]);
    const { rows } = await client.query("SELECT id, name FROM customer ORDER BY id");
    assert.deepEqual(rows, [{ id: 1, name: "Ada" }, { id: 2, name: "Grace" }]);
  });
});

describe("two containers of one network", () => {
  let network, web, caller;

  before(async () => {
    network = await new Network().start();
    web = await new GenericContainer("nginx:alpine")
      .withNetwork(network)
      .withNetworkAliases("web")
      .withExposedPorts(80)
      .withCopyContentToContainer([{ content: "hello\n", target: "/usr/share/nginx/html/index.html" }])
      .start();
    caller = await new GenericContainer("alpine:3.20")
      .withNetwork(network)
      .withCommand(["sh", "-c", "echo ready; exec sleep 1000"])
      .withWaitStrategy(Wait.forLogMessage("ready"))
      .start();
  });

  after(async () => {
    await caller?.stop();
    await web?.stop();
    await network?.stop();
  });

  test("the published port answers", async () => {
    const reply = await fetch(`http://${web.getHost()}:${web.getMappedPort(80)}/`);
    assert.deepEqual([reply.status, await reply.text()], [200, "hello\n"]);
  });

  test("the alias answers", async () => {
    const done = await caller.exec(["wget", "-q", "-O", "-", "http://web/"]);
    assert.deepEqual([done.exitCode, done.stdout], [0, "hello\n"]);
  });
});

// Nothing but the reaper removes it.
test("a container that is left behind serves", async () => {
  const container = await new GenericContainer("redis:7-alpine").withExposedPorts(6379).start();
  assert.equal((await container.exec(["redis-cli", "ping"])).stdout, "PONG\n");
});
