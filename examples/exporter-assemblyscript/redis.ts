// redis is an exporter for Redis: it asks a server for INFO and writes what is known of it as metrics.

import { Code, Conn, Plugin, Settings, Writer, dial, fail, hasSecret, register, retry, secret } from "../../sdk/assemblyscript/assembly";

class Redis extends Plugin {
  user: string = ""; // the password is a secret

  configure(s: Settings): bool {
    this.user = s.string("user", "");
    return true;
  }

  collect(address: string, w: Writer): bool {
    const conn = dial(address);
    if (conn == null) return false;
    const text = this.info(conn);
    conn.close();
    if (text == null) return false;
    const lines = text.split("\r\n");
    for (let i = 0; i < lines.length; i++) {
      const colon = lines[i].indexOf(":");
      if (colon > 0) known(lines[i].substring(0, colon), lines[i].substring(colon + 1), w);
    }
    return true;
  }

  /** Logs in and asks for INFO; null after an error. */
  private info(conn: Conn): string | null {
    // Without the grant the server may not want a password, and says so if it does.
    const password = hasSecret("password") ? secret("password") : "";
    if (password == null) return null;
    if (password != "") {
      const words: string[] = ["AUTH"];
      if (this.user != "") words.push(this.user);
      words.push(password);
      if (ask(conn, words) == null) return null;
    }
    const head = ask(conn, ["INFO"]);
    if (head == null) return null;
    const n = head.startsWith("$") ? <i32>parseInt(head.substring(1)) : -1;
    if (n >= 0 && n <= MOST_INFO) return conn.readText(n);
    fail(Code.INTERNAL, 'redis: the answer to INFO begins with "' + head + '"');
    return null;
  }
}

const MOST_INFO = 1 << 20;

/** Sends a command and reads the first line of the answer; errors of the server become ours, and null. */
function ask(conn: Conn, words: string[]): string | null {
  // https://redis.io/docs/latest/develop/reference/protocol-spec/
  let command = "*" + words.length.toString() + "\r\n";
  for (let i = 0; i < words.length; i++) command += "$" + String.UTF8.byteLength(words[i]).toString() + "\r\n" + words[i] + "\r\n";
  const line = conn.write(command) ? conn.readLine(512) : null;
  if (line == null || !line.startsWith("-")) return line;
  const said = "redis: " + line.substring(1);
  const kind = line.split(" ")[0];
  if (kind == "-NOAUTH" || kind == "-WRONGPASS") fail(Code.UNAUTHENTICATED, said);
  else if (kind == "-NOPERM") fail(Code.DENIED, said);
  else if (kind == "-LOADING") retry(Code.UNAVAILABLE, 1000, said);
  else fail(Code.INTERNAL, said);
  return null;
}

/** A field of INFO that is a metric by itself. */
class Field {
  constructor(
    public field: string,
    public name: string,
    public help: string,
    public counter: bool = false,
  ) {}
}

const fields: Field[] = [
  new Field("uptime_in_seconds", "redis_uptime_seconds", "Time since the server was started."),
  new Field("connected_clients", "redis_connected_clients", "Clients that are connected."),
  new Field("blocked_clients", "redis_blocked_clients", "Clients that wait in a blocking command."),
  new Field("used_memory", "redis_memory_used_bytes", "Memory the server has allocated."),
  new Field("maxmemory", "redis_memory_max_bytes", "Memory the server may allocate; 0 is no limit."),
  new Field("total_connections_received", "redis_connections_received_total", "Connections that were accepted.", true),
  new Field("total_commands_processed", "redis_commands_processed_total", "Commands that were carried out.", true),
  new Field("total_net_input_bytes", "redis_net_input_bytes_total", "Bytes read from clients.", true),
  new Field("total_net_output_bytes", "redis_net_output_bytes_total", "Bytes written to clients.", true),
  new Field("expired_keys", "redis_expired_keys_total", "Keys that have run out.", true),
  new Field("evicted_keys", "redis_evicted_keys_total", "Keys that were given up for want of memory.", true),
  new Field("keyspace_hits", "redis_keyspace_hits_total", "Look-ups that found a key.", true),
  new Field("keyspace_misses", "redis_keyspace_misses_total", "Look-ups that found none.", true),
  new Field("connected_slaves", "redis_connected_replicas", "Replicas that are connected."),
];

function known(field: string, value: string, w: Writer): void {
  if (field == "redis_version") w.gauge("redis_info", "The server's version.", ["version"]).sample(1, [value]);
  if (field.startsWith("db") && !isNaN(parseInt(field.substring(2)))) keyspace(field, value, w);
  for (let i = 0; i < fields.length; i++) {
    const f = fields[i];
    const v = parseFloat(value);
    if (f.field != field || isNaN(v)) continue;
    (f.counter ? w.counter(f.name, f.help) : w.gauge(f.name, f.help)).sample(v);
  }
}

/** Adds a line of the section Keyspace, as db0:keys=1,expires=0,avg_ttl=0 */
function keyspace(database: string, value: string, w: Writer): void {
  const parts = value.split(",");
  for (let i = 0; i < parts.length; i++) {
    const n = parseFloat(parts[i].substring(parts[i].indexOf("=") + 1));
    if (parts[i].startsWith("keys=")) w.gauge("redis_db_keys", "Keys in a database.", ["db"]).sample(n, [database]);
    if (parts[i].startsWith("expires=")) w.gauge("redis_db_keys_expiring", "Keys in a database that will run out.", ["db"]).sample(n, [database]);
  }
}

register(new Redis());
