package pinfeed.rig;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import org.apache.kafka.common.MetricName;
import org.apache.kafka.common.metrics.KafkaMetric;
import org.apache.kafka.common.metrics.MetricsReporter;

/**
 * Writes how often clients authenticated, re-authenticated and failed on the IAM listener into the file `sessions` of
 * the directory named by the system property `pinfeed.rig`, several times a second: one `name value` a line.
 */
public final class SessionCount implements MetricsReporter {
    private static final Set<String> NAMES = Set.of("successful-authentication-total", "failed-authentication-total",
            "successful-reauthentication-total", "failed-reauthentication-total", "expired-connections-killed-count");
    private static final int PERIOD_MS = 200;

    private final Map<MetricName, KafkaMetric> metrics = new ConcurrentHashMap<>();
    private final Path directory = Path.of(System.getProperty("pinfeed.rig"));

    @Override
    public void configure(Map<String, ?> configs) { }

    @Override
    public void init(List<KafkaMetric> existing) {
        existing.forEach(this::metricChange);
        Thread writer = new Thread(this::write, "rig-session-count");
        writer.setDaemon(true);
        writer.start();
    }

    @Override
    public void metricChange(KafkaMetric metric) {
        MetricName name = metric.metricName();
        if (NAMES.contains(name.name()) && "IAM".equals(name.tags().get("listener")))
            metrics.put(name, metric);
    }

    @Override
    public void metricRemoval(KafkaMetric metric) { }

    @Override
    public void close() { }

    private void write() {
        Path file = directory.resolve("sessions");
        Path fresh = directory.resolve("sessions.new");
        try {
            while (true) {
                TreeMap<String, Long> sums = new TreeMap<>();
                NAMES.forEach(name -> sums.put(name, 0L));
                metrics.forEach((name, metric) -> sums.merge(name.name(), number(metric.metricValue()), Long::sum));
                StringBuilder text = new StringBuilder();
                sums.forEach((name, value) -> text.append(name).append(' ').append(value).append('\n'));
                Files.writeString(fresh, text);
                Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
                Thread.sleep(PERIOD_MS);
            }
        } catch (IOException | InterruptedException e) {
            // The rig is being taken down.
        }
    }

    private static long number(Object value) {
        return value instanceof Number n && !Double.isNaN(n.doubleValue()) ? n.longValue() : 0;
    }
}
