import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.concurrent.Executors;

/** Answers with the sum of the bytes of a request's body, computed by a native library out of the archive. */
public final class Service {
    private static native long sum(byte[] bytes);

    private static void loadLibrary() throws IOException {
        Path library = Files.createTempFile("libchecksum", ".so");
        try (InputStream packed = Service.class.getResourceAsStream("/libchecksum.so")) {
            Files.copy(packed, library, StandardCopyOption.REPLACE_EXISTING);
        }
        System.load(library.toString());
        Files.delete(library);
    }

    public static void main(String[] arguments) throws IOException {
        loadLibrary();
        HttpServer server = HttpServer.create(new InetSocketAddress(8080), 64);
        server.createContext("/", exchange -> {
            byte[] body = exchange.getRequestBody().readAllBytes();
            byte[] answer = (sum(body) + "\n").getBytes(StandardCharsets.UTF_8);
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.start();
        System.out.println("listening on 8080");
    }
}
