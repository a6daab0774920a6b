//! A TCP proxy before the database, to lose it in every way a network can.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;

use crate::testing::TestDatabase;

/// What the proxy does to what passes through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    /// Everything passes.
    Fair,
    /// Everything passes, each piece this much later.
    Slow(Duration),
    /// Connections are closed, new ones too.
    Cut,
    /// What the members send arrives; no answer comes back, and nothing is closed.
    Deaf,
    /// Nothing arrives at either side, and nothing is closed: a firewall that drops packets.
    Silent,
}

impl Weather {
    /// Whether what goes this way is held back.
    fn holds(self, answers: bool) -> bool {
        match self {
            Self::Fair | Self::Slow(_) | Self::Cut => false,
            Self::Deaf => answers,
            Self::Silent => true,
        }
    }
}

/// The proxy; it ends when this is dropped.
pub struct Proxy {
    port: u16,
    database: String,
    weather: Arc<watch::Sender<Weather>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    /// A proxy before this database; everything passes at first.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(database: &TestDatabase) -> Self {
        let url = database.url("forge_login");
        let part = |name: &str| {
            let part = url.split(' ').find_map(|part| part.strip_prefix(name));
            part.expect("the server's URL has this part").to_owned()
        };
        let socket = format!("{}/.s.PGSQL.{}", part("host="), part("port="));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let port = listener.local_addr().expect("it is bound").port();
        let weather = Arc::new(watch::Sender::new(Weather::Fair));
        #[expect(clippy::disallowed_methods, reason = "held, and aborted with the proxy")]
        let task = tokio::task::spawn(accept(listener, PathBuf::from(socket), weather.subscribe()));
        Self { port, database: part("dbname="), weather, task }
    }

    /// The database's URL through the proxy.
    pub fn url(&self) -> String {
        let Self { port, database, .. } = self;
        format!("host=127.0.0.1 port={port} user=forge_login dbname={database} sslmode=disable")
    }

    /// Closes every connection and refuses new ones.
    pub fn cut(&self) {
        self.weather.send_replace(Weather::Cut);
    }

    /// Lets everything pass this much later.
    pub fn delay(&self, by: Duration) {
        self.weather.send_replace(Weather::Slow(by));
    }

    /// Lets what is sent arrive and holds the answers back, without closing anything.
    pub fn half_close(&self) {
        self.weather.send_replace(Weather::Deaf);
    }

    /// Lets nothing arrive at either side, without closing anything.
    pub fn silence(&self) {
        self.weather.send_replace(Weather::Silent);
    }

    /// Lets everything pass again. Connections that were cut stay closed.
    pub fn restore(&self) {
        self.weather.send_replace(Weather::Fair);
    }
}

async fn accept(listener: TcpListener, socket: PathBuf, weather: watch::Receiver<Weather>) {
    while let Ok((client, _)) = listener.accept().await {
        if *weather.borrow() == Weather::Cut {
            continue;
        }
        #[expect(
            clippy::disallowed_methods,
            reason = "a connection; it ends when either side closes"
        )]
        tokio::task::spawn(carry(client, socket.clone(), weather.clone()));
    }
}

async fn carry(client: TcpStream, socket: PathBuf, mut weather: watch::Receiver<Weather>) {
    let Ok(server) = UnixStream::connect(socket).await else { return };
    let _ = client.set_nodelay(true);
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let up = pass(from_client, to_server, weather.clone(), false);
    let down = pass(from_server, to_client, weather.clone(), true);
    tokio::select! {
        _ = weather.wait_for(|weather| *weather == Weather::Cut) => {}
        // Either side closing ends both ways, as the server's protocol does.
        () = up => {}
        () = down => {}
    }
}

#[expect(clippy::disallowed_methods, reason = "it is the proxy's task to be slow")]
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut weather: watch::Receiver<Weather>,
    answers: bool,
) {
    let mut piece = vec![0; 64 * 1024];
    loop {
        let Ok(length @ 1..) = from.read(&mut piece).await else { return };
        let now = *weather.borrow();
        if let Weather::Slow(by) = now {
            tokio::time::sleep(by).await;
        }
        if weather.wait_for(|weather| !weather.holds(answers)).await.is_err() {
            return;
        }
        if to.write_all(&piece[..length]).await.is_err() {
            return;
        }
    }
}
