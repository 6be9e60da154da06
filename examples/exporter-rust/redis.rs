//! redis is an exporter for Redis: it asks a server for INFO and writes what is known of it as metrics.

use std::io::{BufRead, BufReader, Read, Write};
use std::time::Duration;

use hearth::{Code, Conn, Error, Plugin, Result, Settings, Writer};

struct Redis {
    user: String, // the password is a secret
}

impl Plugin for Redis {
    const EXPORTER: bool = true;

    fn configure(s: &mut Settings) -> Result<Self> {
        Ok(Redis { user: s.string("user", "")? })
    }

    fn collect(&mut self, address: &str, w: &mut Writer) -> Result<()> {
        let mut server = Server { conn: BufReader::new(hearth::dial(address)?) };
        match hearth::secret("password") {
            Ok(password) if self.user.is_empty() => server.ask(&["AUTH", &password])?,
            Ok(password) => server.ask(&["AUTH", &self.user, &password])?,
            // Not granted: the server may not want one, and says so if it does.
            Err(e) if e.code == Code::Denied => String::new(),
            Err(e) => return Err(e),
        };
        for line in server.info()?.lines() {
            if let Some((field, value)) = line.split_once(':') {
                known(field, value, w);
            }
        }
        Ok(())
    }
}

/// The fields of INFO that are a metric by themselves: its name, what it means, whether it is a counter.
const FIELDS: &[(&str, &str, &str, bool)] = &[
    ("uptime_in_seconds", "redis_uptime_seconds", "Time since the server was started.", false),
    ("connected_clients", "redis_connected_clients", "Clients that are connected.", false),
    ("blocked_clients", "redis_blocked_clients", "Clients that wait in a blocking command.", false),
    ("used_memory", "redis_memory_used_bytes", "Memory the server has allocated.", false),
    ("maxmemory", "redis_memory_max_bytes", "Memory the server may allocate; 0 is no limit.", false),
    ("total_connections_received", "redis_connections_received_total", "Connections that were accepted.", true),
    ("total_commands_processed", "redis_commands_processed_total", "Commands that were carried out.", true),
    ("total_net_input_bytes", "redis_net_input_bytes_total", "Bytes read from clients.", true),
    ("total_net_output_bytes", "redis_net_output_bytes_total", "Bytes written to clients.", true),
    ("expired_keys", "redis_expired_keys_total", "Keys that have run out.", true),
    ("evicted_keys", "redis_evicted_keys_total", "Keys that were given up for want of memory.", true),
    ("keyspace_hits", "redis_keyspace_hits_total", "Look-ups that found a key.", true),
    ("keyspace_misses", "redis_keyspace_misses_total", "Look-ups that found none.", true),
    ("connected_slaves", "redis_connected_replicas", "Replicas that are connected.", false),
];

fn known(field: &str, value: &str, w: &mut Writer) {
    if field == "redis_version" {
        w.gauge("redis_info", "The server's version.", &["version"]).sample(1.0, &[value]);
    }
    if field.strip_prefix("db").map_or(false, |n| n.parse::<u32>().is_ok()) {
        keyspace(field, value, w);
    }
    let found = FIELDS.iter().find(|f| f.0 == field);
    if let (Some((_, name, help, counter)), Ok(v)) = (found, value.parse()) {
        let family = if *counter { w.counter(name, help, &[]) } else { w.gauge(name, help, &[]) };
        family.sample(v, &[]);
    }
}

/// Adds a line of the section Keyspace, as db0:keys=1,expires=0,avg_ttl=0
fn keyspace(database: &str, value: &str, w: &mut Writer) {
    let figure = |name| value.split(',').filter_map(|p| p.split_once('=')).find(|(k, _)| *k == name).and_then(|(_, v)| v.parse().ok());
    if let (Some(keys), Some(expires)) = (figure("keys"), figure("expires")) {
        w.gauge("redis_db_keys", "Keys in a database.", &["db"]).sample(keys, &[database]);
        w.gauge("redis_db_keys_expiring", "Keys in a database that will run out.", &["db"]).sample(expires, &[database]);
    }
}

const MOST_LINE: u64 = 512;
const MOST_INFO: usize = 1 << 20;

/// A server and how it is talked to: https://redis.io/docs/latest/develop/reference/protocol-spec/
struct Server {
    conn: BufReader<Conn>,
}

impl Server {
    /// Sends a command and reads the first line of the answer. Errors of the server become ours.
    fn ask(&mut self, words: &[&str]) -> Result<String> {
        let mut command = format!("*{}\r\n", words.len());
        for w in words {
            command.push_str(&format!("${}\r\n{}\r\n", w.len(), w));
        }
        self.conn.get_mut().write_all(command.as_bytes())?;
        let mut line = Vec::new();
        self.conn.by_ref().take(MOST_LINE).read_until(b'\n', &mut line)?;
        if line.is_empty() {
            return Err(Error::retry(Code::Unavailable, Duration::ZERO, "redis: the server closed the connection"));
        }
        let line = String::from_utf8_lossy(&line).trim_end().to_string();
        let said = match line.strip_prefix('-') {
            None => return Ok(line),
            Some(said) => format!("redis: {}", said),
        };
        Err(match line.split(' ').next() {
            Some("-NOAUTH" | "-WRONGPASS") => Error::new(Code::Unauthenticated, said),
            Some("-NOPERM") => Error::new(Code::Denied, said),
            Some("-LOADING") => Error::retry(Code::Unavailable, Duration::from_secs(1), said),
            _ => Error::new(Code::Internal, said),
        })
    }

    fn info(&mut self) -> Result<String> {
        let head = self.ask(&["INFO"])?;
        let n = head.strip_prefix('$').and_then(|n| n.parse().ok()).filter(|n| *n <= MOST_INFO);
        let n = n.ok_or_else(|| Error::new(Code::Internal, format!("redis: the answer to INFO begins with \"{}\"", head)))?;
        let mut text = vec![0; n];
        self.conn.read_exact(&mut text)?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}

hearth::plugin!(Redis);
