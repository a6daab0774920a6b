//! The load of a measurement: HTTP requests over keep-alive connections, in a closed loop (each as
//! soon as the one before is answered) or as users send them (each so often).
//!
//! It runs in a process of its own, so that its CPU is not counted as the server's. One thread, one
//! task a connection, requests built once: on a small machine whatever it takes is taken away from
//! what it measures. It understands just enough of HTTP/1.1 for our own server.

use std::net::SocketAddr;
use std::time::Duration;

use kernel::Clock;
use kernel::clock::SystemClock;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What to send, and for how long.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Load {
    /// Where the server listens.
    #[arg(long)]
    pub(crate) address: SocketAddr,
    /// Method of the request.
    #[arg(long, default_value = "POST")]
    pub(crate) method: String,
    /// Path of the request; `{n}` in it is the number of the connection.
    #[arg(long)]
    pub(crate) path: String,
    /// Body of the request: JSON.
    #[arg(long)]
    pub(crate) body: String,
    /// Requests in flight.
    #[arg(long)]
    pub(crate) connections: usize,
    /// Length of the measurement in milliseconds.
    #[arg(long)]
    pub(crate) measure_ms: u64,
    /// Length of the warm-up before it, in milliseconds.
    #[arg(long)]
    pub(crate) warm_up_ms: u64,
    /// Milliseconds from one request of a connection to the next, counted from when it was due; 0: as
    /// soon as the one before is answered.
    #[arg(long, default_value_t = 0)]
    pub(crate) every_ms: u64,
    /// The API key to show; from the environment, because arguments are seen by everybody.
    #[arg(long, env = KEY, hide_env_values = true)]
    pub(crate) key: Option<String>,
}

/// Where the key comes from.
const KEY: &str = "FLOWFORGE_BENCH_KEY";

/// What a load saw.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Seen {
    /// Requests answered with a 2xx within the measurement.
    pub(crate) answered: u64,
    /// Requests answered otherwise or not at all, within the measurement.
    pub(crate) errors: u64,
    /// Those of them that were asked to come again later: 429 or 503 with `retry-after`.
    #[serde(default)]
    pub(crate) refused: u64,
    /// Length of the measurement in seconds.
    pub(crate) seconds: f64,
    /// Half of the answers took no longer, in milliseconds.
    pub(crate) p50_ms: f64,
    /// All but one in twenty took no longer, in milliseconds.
    #[serde(default)]
    pub(crate) p95_ms: f64,
    /// All but one in a hundred took no longer, in milliseconds.
    pub(crate) p99_ms: f64,
    /// The first answer that was an error, if any.
    pub(crate) first_error: Option<String>,
}

/// Written to standard output when the warm-up is over and the measurement begins.
pub(crate) const BEGUN: &str = "begun";

impl Load {
    /// The flags from which another process reads this load.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let Self { address, method, path, body, connections, measure_ms, warm_up_ms, .. } = self;
        let every_ms = self.every_ms;
        vec![
            format!("--address={address}"),
            format!("--method={method}"),
            format!("--every-ms={every_ms}"),
            format!("--path={path}"),
            format!("--body={body}"),
            format!("--connections={connections}"),
            format!("--measure-ms={measure_ms}"),
            format!("--warm-up-ms={warm_up_ms}"),
        ]
    }

    /// The key, as another process reads it.
    pub(crate) fn environment(&self) -> Option<(&'static str, &str)> {
        self.key.as_deref().map(|key| (KEY, key))
    }

    /// Sends the load, calling `begun` when the warm-up is over.
    pub(crate) async fn send(&self, begun: impl FnOnce()) -> Seen {
        let clock = SystemClock;
        let start = clock.monotonic();
        let begin = start + Duration::from_millis(self.warm_up_ms);
        let end = begin + Duration::from_millis(self.measure_ms);
        let every = Duration::from_millis(self.every_ms);
        let mut connections = JoinSet::new();
        for number in 0..self.connections {
            let share = number as f64 / self.connections as f64;
            let pace = Pace { due: start + every.mul_f64(share), every, begin, end };
            connections.spawn(connection(self.address, self.request(number), pace));
        }
        let mut all = Samples::default();
        let warm = tokio::time::timeout(begin - start, std::future::pending::<()>());
        if warm.await.is_err() {
            begun();
        }
        while let Some(one) = connections.join_next().await {
            all.add(one.unwrap_or_default());
        }
        all.seen(Duration::from_millis(self.measure_ms))
    }

    fn request(&self, number: usize) -> Vec<u8> {
        let Self { address, method, body, .. } = self;
        let path = self.path.replace("{n}", &number.to_string());
        let body = body.replace("{n}", &number.to_string());
        let length = body.len();
        let key = match &self.key {
            Some(key) => format!("authorization: Bearer {key}\r\n"),
            None => String::new(),
        };
        format!(
            "{method} {path} HTTP/1.1\r\nhost: {address}\r\n{key}content-type: application/json\r\n\
             content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    }
}

/// When a connection sends.
struct Pace {
    /// When its first request is due.
    due: Duration,
    /// From one request to the next; zero: as soon as the one before is answered.
    every: Duration,
    /// When the measurement begins, and when it ends.
    begin: Duration,
    end: Duration,
}

/// Sends one request after another until the end; reconnects when the server closes.
async fn connection(address: SocketAddr, request: Vec<u8>, pace: Pace) -> Samples {
    let clock = SystemClock;
    let mut samples = Samples::default();
    let mut buffer = Vec::with_capacity(16 * 1024);
    let (mut stream, mut due) = (None, pace.due);
    loop {
        let now = clock.monotonic();
        // Who waits for its turn is late from when it was due: a slow server must not slow the users.
        let sent = if pace.every.is_zero() { now } else { due };
        if sent >= pace.end || now >= pace.end {
            return samples;
        }
        if let Some(early) = sent.checked_sub(now) {
            let _due = tokio::time::timeout(early, std::future::pending::<()>()).await;
        }
        due += pace.every;
        let outcome = exchange(&mut stream, address, &request, &mut buffer).await;
        let now = clock.monotonic();
        // What is answered within the measurement counts, whenever it was sent.
        if now >= pace.begin && now < pace.end {
            samples.record(outcome, now - sent);
        }
    }
}

/// One request and its answer. Errors leave no stream behind.
async fn exchange(
    stream: &mut Option<TcpStream>,
    address: SocketAddr,
    request: &[u8],
    buffer: &mut Vec<u8>,
) -> Result<(), Failed> {
    let mut open = match stream.take() {
        Some(open) => open,
        None => {
            let open = TcpStream::connect(address).await.map_err(|error| error.to_string())?;
            open.set_nodelay(true).map_err(|error| error.to_string())?;
            open
        }
    };
    open.write_all(request).await.map_err(|error| error.to_string())?;
    let answer = read_answer(&mut open, buffer).await?;
    if !answer.closes {
        *stream = Some(open);
    }
    match answer.status {
        200..=299 => Ok(()),
        status => {
            let what = format!("{status} {}", String::from_utf8_lossy(&buffer[answer.body_at..]));
            Err(Failed { what, later: answer.later && matches!(status, 429 | 503) })
        }
    }
}

/// Why a request has no good answer.
#[derive(Debug, PartialEq)]
pub(crate) struct Failed {
    what: String,
    /// Whether the server asked to come again later.
    later: bool,
}

impl From<String> for Failed {
    fn from(what: String) -> Self {
        Self { what, later: false }
    }
}

struct Answer {
    status: u16,
    closes: bool,
    later: bool,
    body_at: usize,
}

async fn read_answer(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<Answer, String> {
    buffer.clear();
    let head = loop {
        if let Some(end) = find(buffer, b"\r\n\r\n") {
            break end + 4;
        }
        read_more(stream, buffer).await?;
    };
    let text = std::str::from_utf8(&buffer[..head]).map_err(|_| "the head is no text")?;
    let status = text.get(9..12).and_then(|digits| digits.parse().ok()).ok_or("no status line")?;
    let length = header(text, "content-length").and_then(|length| length.parse::<usize>().ok());
    let later = header(text, "retry-after").is_some();
    let closes = header(text, "connection").is_some_and(|value| value == "close");
    match length {
        Some(length) => {
            while buffer.len() < head + length {
                read_more(stream, buffer).await?;
            }
        }
        None => {
            // Chunked: our bodies never hold the end mark themselves.
            while !buffer.ends_with(b"0\r\n\r\n") {
                read_more(stream, buffer).await?;
            }
        }
    }
    Ok(Answer { status, closes, later, body_at: head })
}

async fn read_more(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Result<(), String> {
    match stream.read_buf(buffer).await {
        Ok(0) => Err("the server closed the connection".to_owned()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

fn find(text: &[u8], mark: &[u8]) -> Option<usize> {
    text.windows(mark.len()).position(|window| window == mark)
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().skip(1).find_map(|line| {
        let (key, value) = line.split_once(':')?;
        key.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// What happened, and how long each answer took, in microseconds.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    answered_us: Vec<u32>,
    errors: u64,
    refused: u64,
    first_error: Option<String>,
}

impl Samples {
    /// Counts one request.
    pub(crate) fn record(&mut self, outcome: Result<(), Failed>, took: Duration) {
        match outcome {
            Ok(()) => {
                self.answered_us.push(u32::try_from(took.as_micros()).unwrap_or(u32::MAX));
            }
            Err(failed) => {
                self.errors += 1;
                self.refused += u64::from(failed.later);
                self.first_error.get_or_insert(failed.what);
            }
        }
    }

    /// Adds another connection's samples.
    pub(crate) fn add(&mut self, other: Self) {
        self.answered_us.extend(other.answered_us);
        self.errors += other.errors;
        self.refused += other.refused;
        self.first_error = self.first_error.take().or(other.first_error);
    }

    /// The sum of it.
    pub(crate) fn seen(mut self, measured: Duration) -> Seen {
        self.answered_us.sort_unstable();
        Seen {
            answered: self.answered_us.len() as u64,
            errors: self.errors,
            refused: self.refused,
            seconds: measured.as_secs_f64(),
            p50_ms: percentile_ms(&self.answered_us, 50),
            p95_ms: percentile_ms(&self.answered_us, 95),
            p99_ms: percentile_ms(&self.answered_us, 99),
            first_error: self.first_error,
        }
    }
}

/// The smallest sample that at least `percent` of the sorted samples do not exceed.
fn percentile_ms(sorted_us: &[u32], percent: usize) -> f64 {
    let rank = (sorted_us.len() * percent).div_ceil(100);
    let sample = rank.checked_sub(1).and_then(|at| sorted_us.get(at));
    sample.map_or(0.0, |us| f64::from(*us) / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::net::TcpListener;

    #[test]
    fn percentiles_are_samples_that_were_seen() {
        let sorted: Vec<u32> = (1..=200).map(|n| n * 1000).collect();
        assert_eq!((percentile_ms(&sorted, 50), percentile_ms(&sorted, 99)), (100.0, 198.0));
        assert_eq!(percentile_ms(&[], 99), 0.0);
    }

    /// Answers each request on each connection with the next of these texts.
    async fn server(answers: &'static [&'static str]) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        #[expect(
            clippy::disallowed_methods,
            reason = "a server of the test's own; it ends with the runtime"
        )]
        tokio::task::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0_u8; 4096];
            for answer in answers {
                let _ = stream.read(&mut buffer).await.unwrap();
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
        });
        address
    }

    #[tokio::test]
    async fn answers_by_length_and_in_chunks_are_read_to_their_end() {
        let address = server(&[
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
            "HTTP/1.1 503 Service Unavailable\r\nretry-after: 1\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfull",
        ])
        .await;
        let (mut stream, mut buffer) = (None, Vec::new());
        for _ in 0..2 {
            exchange(&mut stream, address, b"x", &mut buffer).await.unwrap();
            assert!(stream.is_some(), "the connection is kept");
        }
        let refused = exchange(&mut stream, address, b"x", &mut buffer).await;
        assert_eq!(refused, Err(Failed { what: "503 full".to_owned(), later: true }));
        assert!(stream.is_none(), "the connection was to be closed");
    }
}
