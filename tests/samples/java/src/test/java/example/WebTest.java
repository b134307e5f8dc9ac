package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import org.junit.jupiter.api.Test;
import org.testcontainers.containers.GenericContainer;
import org.testcontainers.containers.Network;
import org.testcontainers.containers.wait.strategy.Wait;
import org.testcontainers.images.builder.Transferable;
import org.testcontainers.junit.jupiter.Container;
import org.testcontainers.junit.jupiter.Testcontainers;

/** Two containers of one network. */
@Testcontainers
class WebTest {
    private static final Network NETWORK = Network.newNetwork();

    @Container
    private static final GenericContainer<?> WEB = new GenericContainer<>("nginx:alpine")
            .withNetwork(NETWORK)
            .withNetworkAliases("web")
            .withExposedPorts(80)
            .withCopyToContainer(Transferable.of("hello\n"), "/usr/share/nginx/html/index.html")
            .waitingFor(Wait.forHttp("/"));

    @Container
    private static final GenericContainer<?> CALLER = new GenericContainer<>("alpine:3.20")
            .withNetwork(NETWORK)
            .withCommand("sh", "-c", "echo ready; exec sleep 1000")
            .waitingFor(Wait.forLogMessage("ready\\n", 1));

    @Test
    void answersThroughItsPublishedPort() throws IOException, InterruptedException {
        URI uri = URI.create("http://" + WEB.getHost() + ":" + WEB.getMappedPort(80) + "/?name=logged");
        var reply = HttpClient.newHttpClient()
                .send(HttpRequest.newBuilder(uri).build(), HttpResponse.BodyHandlers.ofString());

        assertEquals(200, reply.statusCode());
        assertEquals("hello\n", reply.body());
    }

    @Test
    void isReachedByItsAlias() throws IOException, InterruptedException {
        var done = CALLER.execInContainer("wget", "-q", "-O", "-", "http://web/");

        assertEquals("hello\n", done.getStdout(), done.getStderr());
        assertEquals(0, done.getExitCode());
    }

    @Test
    void takesAndGivesFilesWhileItRuns() throws IOException, InterruptedException {
        CALLER.copyFileToContainer(Transferable.of("some text\n"), "/tmp/some/file");

        var read = CALLER.copyFileFromContainer("/tmp/some/file", stream -> new String(stream.readAllBytes()));
        assertEquals("some text\n", read);
    }

    @Test
    void keepsBothStreamsOfAnExecApart() throws IOException, InterruptedException {
        var done = CALLER.execInContainer("sh", "-c", "echo out; echo err >&2; exit 3");

        assertEquals("out\n", done.getStdout());
        assertEquals("err\n", done.getStderr());
        assertEquals(3, done.getExitCode());
        assertTrue(CALLER.isRunning());
    }
}
