package example;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import org.junit.jupiter.api.Test;
import org.testcontainers.containers.GenericContainer;

/** A container that serves all classes of a suite, the singleton pattern: nothing but the reaper removes it. */
class LeftBehindTest {
    private static final GenericContainer<?> SHARED = new GenericContainer<>("redis:7-alpine").withExposedPorts(6379);

    static {
        SHARED.start();
    }

    @Test
    void serves() throws IOException, InterruptedException {
        assertEquals("PONG\n", SHARED.execInContainer("redis-cli", "ping").getStdout());
    }
}
