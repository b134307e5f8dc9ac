package example;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.SQLException;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.testcontainers.junit.jupiter.Container;
import org.testcontainers.junit.jupiter.Testcontainers;
import org.testcontainers.postgresql.PostgreSQLContainer;
import org.testcontainers.utility.MountableFile;

/** A database for the tests of a class, with a table that the image's own start-up scripts make. */
@Testcontainers
class CustomersTest {
    @Container
    private static final PostgreSQLContainer POSTGRES = new PostgreSQLContainer("postgres:16-alpine")
            .withCopyFileToContainer(
                    MountableFile.forClasspathResource("schema.sql"), "/docker-entrypoint-initdb.d/schema.sql");

    private static Connection connect() throws SQLException {
        return DriverManager.getConnection(POSTGRES.getJdbcUrl(), POSTGRES.getUsername(), POSTGRES.getPassword());
    }

    @Test
    void whatIsWrittenIsRead() throws SQLException {
        try (Connection connection = connect()) {
            try (var insert = connection.prepareStatement("INSERT INTO customer (name) VALUES (?)")) {
                for (String name : List.of("Ada", "Grace")) {
                    insert.setString(1, name);
                    insert.addBatch();
                }
                insert.executeBatch();
            }
            List<String> names = new ArrayList<>();
            try (var rows = connection.createStatement().executeQuery("SELECT name FROM customer ORDER BY id")) {
                while (rows.next()) {
                    names.add(rows.getString(1));
                }
            }
            assertEquals(List.of("Ada", "Grace"), names);
        }
    }

    @Test
    void whatIsWrongIsRefusedByTheDatabase() throws SQLException {
        try (Connection connection = connect();
                var insert = connection.createStatement()) {
            var error = assertThrows(
                    SQLException.class, () -> insert.executeUpdate("INSERT INTO customer (name) VALUES (NULL)"));
            assertEquals("23502", error.getSQLState());
        }
    }
}
