import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonToken;
import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.avro.Schema;
import org.apache.avro.SchemaBuilder;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowBytesStoreSupplier;

/**
 * The orders as Kafka Streams would count them, in plain: one message a row, JSON or Avro, keyed by
 * its group so that no repartition topic is needed. The rows come from a CSV file. An in-memory
 * window store with a changelog, one thread a partition; the final state is read at the end, and
 * nothing is suppressed or sent on: it does no more than it must.
 */
public final class StreamsBench {
  private static final Duration HOUR = Duration.ofHours(1);
  private static final String STORE = "by-category";
  private static final String BETWEEN = "|";
  private static final StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse STOP =
      StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse.SHUTDOWN_CLIENT;

  /** BROKERS TOPIC json|avro PARTITIONS CSV ROWS RESULTS. */
  public static void main(String[] args) throws Exception {
    Format format = args[2].equals("avro") ? new Avro() : new Json();
    var work = new Work(args[0], args[1], format, Integer.parseInt(args[3]));
    createTopic(work);
    aggregate(work, Path.of(args[4]), Long.parseLong(args[5]), Path.of(args[6]));
  }

  record Work(String brokers, String topic, Format format, int partitions) {}

  /** One order; `price` is null for some. */
  record Order(long id, long qty, Double price, String region, String category, long at) {}

  interface Format {
    byte[] write(Order order);

    Order read(byte[] bytes);
  }

  // ---- fill

  static void createTopic(Work work) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", work.brokers());
    try (Admin admin = Admin.create(settings)) {
      var topic = new NewTopic(work.topic(), work.partitions(), (short) 1);
      admin.createTopics(List.of(topic)).all().get();
    }
  }

  /** Returns the bytes of all messages, without their keys. */
  static long fill(Work work, Path csv) throws Exception {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", work.brokers());
    settings.put("linger.ms", "20");
    settings.put("batch.size", "262144");
    AtomicLong failed = new AtomicLong();
    long bytes = 0;
    try (var producer =
            new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer());
        BufferedReader lines = Files.newBufferedReader(csv)) {
      for (String line = lines.readLine(); line != null; line = lines.readLine()) {
        Order order = parse(line);
        byte[] value = work.format().write(order);
        bytes += value.length;
        String key = order.region() + BETWEEN + order.category();
        producer.send(
            new ProducerRecord<>(work.topic(), null, order.at(), key, value),
            (sent, error) -> {
              if (error != null) failed.incrementAndGet();
            });
      }
      producer.flush();
    }
    if (failed.get() > 0) throw new IllegalStateException(failed.get() + " rows were not written");
    return bytes;
  }

  private static Order parse(String line) {
    String[] field = line.split(",", -1);
    Double price = field[2].isEmpty() ? null : Double.valueOf(field[2]);
    long at = Long.parseLong(field[5]);
    long qty = Long.parseLong(field[1]);
    return new Order(Long.parseLong(field[0]), qty, price, field[3], field[4], at);
  }

  // ---- aggregate

  /** Of one group in one hour. */
  record Totals(long orders, long qty, double price, long prices) {
    static final Totals NONE = new Totals(0, 0, 0, 0);
    static final int BYTES = 32;

    Totals plus(Order order) {
      boolean priced = order.price() != null;
      double sum = priced ? price + order.price() : price;
      return new Totals(orders + 1, qty + order.qty(), sum, priced ? prices + 1 : prices);
    }

    String afterKey(String key) {
      String group = key.replace(BETWEEN, ",");
      return group + "," + orders + "," + qty + "," + price + "," + prices;
    }

    static Serde<Totals> serde() {
      return Serdes.serdeFrom(
          (topic, totals) ->
              totals == null
                  ? null
                  : ByteBuffer.allocate(BYTES)
                      .putLong(totals.orders)
                      .putLong(totals.qty)
                      .putDouble(totals.price)
                      .putLong(totals.prices)
                      .array(),
          (topic, bytes) -> {
            if (bytes == null) return null;
            ByteBuffer from = ByteBuffer.wrap(bytes);
            return new Totals(from.getLong(), from.getLong(), from.getDouble(), from.getLong());
          });
    }
  }

  static void aggregate(Work work, Path csv, long rows, Path results) throws Exception {
    Format format = work.format();
    AtomicLong seen = new AtomicLong();
    AtomicLong began = new AtomicLong();
    CountDownLatch complete = new CountDownLatch(1);
    StreamsBuilder builder = new StreamsBuilder();
    Serde<Order> orders =
        Serdes.serdeFrom((to, order) -> format.write(order), (from, bytes) -> format.read(bytes));
    builder.stream(
            work.topic(),
            Consumed.with(Serdes.String(), orders)
                .withTimestampExtractor((message, previous) -> ((Order) message.value()).at()))
        .groupByKey()
        .windowedBy(TimeWindows.ofSizeWithNoGrace(HOUR))
        .aggregate(
            () -> Totals.NONE,
            (key, order, totals) -> {
              Totals sum = totals.plus(order);
              if (began.get() == 0) began.compareAndSet(0, System.nanoTime());
              if (seen.incrementAndGet() == rows) complete.countDown();
              return sum;
            },
            Materialized.<String, Totals>as(windowStore())
                .withKeySerde(Serdes.String())
                .withValueSerde(Totals.serde())
                .withCachingEnabled());
    try (KafkaStreams streams = new KafkaStreams(builder.build(), settings(work))) {
      streams.setUncaughtExceptionHandler(
          error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return STOP;
          });
      // All rows are on the log and each thread has its partition when the clock starts, with the
      // first row that is counted. Tasks get ready only while they are not paused.
      streams.start();
      while (!isReady(streams, work.partitions())) Thread.sleep(20);
      streams.pause();
      long bytes = fill(work, csv);
      long resumed = System.nanoTime();
      streams.resume();
      complete.await();
      double counted = (System.nanoTime() - began.get()) / 1e9;
      long groups = writeState(streams, results, rows);
      double seconds = (System.nanoTime() - began.get()) / 1e9;
      double waited = (began.get() - resumed) / 1e9;
      System.out.println(
          "{\"waited\": " + waited + ", \"seconds\": " + seconds
              + ", \"counted\": " + counted + ", \"groups\": " + groups
              + ", \"bytes\": " + bytes + "}");
    }
  }

  private static boolean isReady(KafkaStreams streams, int threads) {
    var ready =
        streams.metadataForLocalThreads().stream()
            .filter(thread -> thread.activeTasks().size() == 1)
            .count();
    return ready == threads && streams.state() == KafkaStreams.State.RUNNING;
  }

  private static WindowBytesStoreSupplier windowStore() {
    return Stores.inMemoryWindowStore(STORE, Duration.ofDays(7), HOUR, false);
  }

  private static Properties settings(Work work) throws IOException {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", work.brokers());
    settings.put("application.id", "streams-" + work.topic());
    settings.put("num.stream.threads", work.partitions());
    settings.put("auto.offset.reset", "earliest");
    settings.put("replication.factor", 1);
    // All groups of some hours stay in the cache between two commits.
    settings.put("statestore.cache.max.bytes", 128 << 20);
    settings.put("commit.interval.ms", 1000);
    settings.put("fetch.max.bytes", 64 << 20);
    settings.put("max.partition.fetch.bytes", 8 << 20);
    settings.put("max.poll.records", 10_000);
    settings.put("state.dir", Files.createTempDirectory("streams-bench").toString());
    return settings;
  }

  /** Start, region, category, orders, qty, sum of prices, prices: one line a group and hour. */
  private static long writeState(KafkaStreams streams, Path results, long rows) throws Exception {
    var store =
        streams.store(
            StoreQueryParameters.fromNameAndType(
                STORE, QueryableStoreTypes.<String, Totals>windowStore()));
    // The last row is counted just before it is put into the store: then all is read again.
    while (true) {
      long orders = 0;
      long groups = 0;
      try (var all = store.all();
          PrintWriter out = new PrintWriter(Files.newBufferedWriter(results))) {
        while (all.hasNext()) {
          var each = all.next();
          Totals sum = each.value;
          out.println(each.key.window().start() + "," + sum.afterKey(each.key.key()));
          orders += sum.orders();
          groups += 1;
        }
      }
      if (orders == rows) return groups;
      Thread.sleep(5);
    }
  }

  // ---- formats

  /** Jackson's streaming parser and text by hand: faster than binding to objects. */
  static final class Json implements Format {
    private static final JsonFactory FACTORY = new JsonFactory();

    public byte[] write(Order order) {
      var bytes = new ByteArrayOutputStream(160);
      try (var json = FACTORY.createGenerator(bytes)) {
        json.writeStartObject();
        json.writeNumberField("id", order.id());
        json.writeNumberField("qty", order.qty());
        if (order.price() == null) json.writeNullField("price");
        else json.writeNumberField("price", order.price());
        json.writeStringField("region", order.region());
        json.writeStringField("category", order.category());
        json.writeNumberField("at", order.at());
        json.writeEndObject();
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      return bytes.toByteArray();
    }

    public Order read(byte[] bytes) {
      long id = 0;
      long qty = 0;
      long at = 0;
      Double price = null;
      String region = null;
      String category = null;
      try (JsonParser json = FACTORY.createParser(bytes)) {
        json.nextToken();
        while (json.nextToken() == JsonToken.FIELD_NAME) {
          String name = json.currentName();
          JsonToken value = json.nextToken();
          switch (name) {
            case "id" -> id = json.getLongValue();
            case "qty" -> qty = json.getLongValue();
            case "price" -> price = value == JsonToken.VALUE_NULL ? null : json.getDoubleValue();
            case "region" -> region = json.getText();
            case "category" -> category = json.getText();
            case "at" -> at = json.getLongValue();
            default -> json.skipChildren();
          }
        }
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      return new Order(id, qty, price, region, category, at);
    }
  }

  /** Generic records in Avro's binary encoding; the schema is known to both sides. */
  static final class Avro implements Format {
    private static final Schema SCHEMA =
        SchemaBuilder.record("Order").fields()
            .requiredLong("id").requiredLong("qty").optionalDouble("price")
            .requiredString("region").requiredString("category").requiredLong("at")
            .endRecord();

    private final GenericDatumWriter<GenericRecord> writer = new GenericDatumWriter<>(SCHEMA);
    /** A reader and its decoder are reused, and belong to one thread. */
    private final ThreadLocal<Reader> readers = ThreadLocal.withInitial(Reader::new);

    private static final class Reader {
      final GenericDatumReader<GenericRecord> rows = new GenericDatumReader<>(SCHEMA);
      BinaryDecoder decoder;
      GenericRecord row;
    }

    public byte[] write(Order order) {
      GenericRecord row = new GenericData.Record(SCHEMA);
      row.put("id", order.id());
      row.put("qty", order.qty());
      row.put("price", order.price());
      row.put("region", order.region());
      row.put("category", order.category());
      row.put("at", order.at());
      var bytes = new ByteArrayOutputStream(64);
      try {
        BinaryEncoder encoder = EncoderFactory.get().directBinaryEncoder(bytes, null);
        writer.write(row, encoder);
        encoder.flush();
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      return bytes.toByteArray();
    }

    public Order read(byte[] bytes) {
      Reader reader = readers.get();
      try {
        reader.decoder = DecoderFactory.get().binaryDecoder(bytes, reader.decoder);
        reader.row = reader.rows.read(reader.row, reader.decoder);
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
      GenericRecord row = reader.row;
      return new Order(
          (Long) row.get(0), (Long) row.get(1), (Double) row.get(2),
          row.get(3).toString(), row.get(4).toString(), (Long) row.get(5));
    }
  }
}
