//! How often a call and the database wait for each other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use db::{Database, Settings};
use function::{Function, Request};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, UnixStream};
use tokio::task::JoinSet;

use crate::functions::{Gate, add_note, count_notes, send_note};
use crate::world::{World, caller, host};

/// Counts on the way to a database.
struct Counter {
    port: u16,
    trips: Arc<AtomicU32>,
    _forwarding: JoinSet<()>,
}

impl Counter {
    async fn start(socket: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let trips = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&trips);
        let mut forwarding = JoinSet::new();
        forwarding.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = UnixStream::connect(&socket).await.unwrap();
                connections.spawn(forward(client, server, Arc::clone(&counted)));
            }
        });
        Self { port, trips, _forwarding: forwarding }
    }

    fn take(&self) -> u32 {
        self.trips.swap(0, Ordering::SeqCst)
    }
}

/// A trip begins when the client speaks after the server has.
async fn forward(client: tokio::net::TcpStream, server: UnixStream, trips: Arc<AtomicU32>) {
    let server_spoke = AtomicBool::new(true);
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(count @ 1..) = from_client.read(&mut buffer).await {
            if server_spoke.swap(false, Ordering::SeqCst) {
                trips.fetch_add(1, Ordering::SeqCst);
            }
            to_server.write_all(&buffer[..count]).await.unwrap();
        }
    };
    let down = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            server_spoke.store(true, Ordering::SeqCst);
            to_client.write_all(&buffer[..count]).await.unwrap();
        }
    };
    tokio::join!(up, down);
}

#[tokio::test]
async fn a_call_takes_the_round_trips_that_are_promised() {
    let world = World::new(Gate::open()).await;
    let url = world.test.url("forge_login");
    let part = |name: &str| url.split(' ').find_map(|part| part.strip_prefix(name)).unwrap();
    let counter = Counter::start(format!("{}/.s.PGSQL.5432", part("host="))).await;
    let port = counter.port;
    let dbname = part("dbname=");
    let pooled = format!("host=127.0.0.1 port={port} user=forge_login dbname={dbname}");
    let settings = Settings {
        pool_max: 1,
        direct_url: Some(Settings::new(url.clone()).url),
        ..Settings::new(pooled)
    };
    let database = Database::connect(settings).await.unwrap();
    let host = host(&database, Gate::open());
    let call = async |function: &Function, key: Option<&str>| {
        let request = Request {
            idempotency_key: key.map(str::to_owned),
            body: match function.name {
                "count_notes" => Vec::new(),
                _ => br#"{"text": "a"}"#.to_vec(),
            },
            ..Request::default()
        };
        host.call(function, &caller(), &request).await.unwrap();
        counter.take()
    };
    // The connection and the secret of cursors are had once.
    call(&count_notes::FUNCTION, None).await;
    assert_eq!(call(&count_notes::FUNCTION, None).await, 1, "a query of one statement");
    assert_eq!(call(&add_note::FUNCTION, None).await, 3, "a mutation of two, and its commit");
    assert_eq!(call(&add_note::FUNCTION, Some("k")).await, 4, "the look at its key");
    assert_eq!(call(&add_note::FUNCTION, Some("k")).await, 2, "a repetition: a look, and the end");
    assert_eq!(call(&send_note::FUNCTION, None).await, 1, "the audit row of an action");
    assert_eq!(call(&send_note::FUNCTION, Some("l")).await, 3, "its key, before and behind");
}
