//! A way to the database that can be made to swallow answers and to break.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// A unix socket in front of the server's.
pub(crate) struct Proxy {
    directory: PathBuf,
    state: Arc<State>,
    accepting: JoinHandle<()>,
}

#[derive(Default)]
struct State {
    mute: AtomicBool,
    cut: Notify,
}

impl Proxy {
    /// In front of the server whose socket is named by a connection string.
    pub(crate) fn before(url: &str) -> (Self, String) {
        let socket = socket_of(url);
        let name = format!("ff-proxy-{}-{:p}", std::process::id(), &socket);
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&directory).unwrap();
        let file = Path::new(&socket).file_name().unwrap().to_owned();
        let listener = UnixListener::bind(directory.join(file)).unwrap();
        let state = Arc::new(State::default());
        #[expect(clippy::disallowed_methods, reason = "held, and aborted with the proxy")]
        let accepting = tokio::spawn(accept(listener, socket.clone(), state.clone()));
        let host = Path::new(&socket).parent().unwrap().to_str().unwrap().to_owned();
        let there = url.replace(&host, directory.to_str().unwrap());
        assert_ne!(there, url, "the connection string names the socket's directory");
        (Self { directory, state, accepting }, there)
    }

    /// From now on nothing the server answers arrives.
    pub(crate) fn mute(&self) {
        self.state.mute.store(true, Ordering::SeqCst);
    }

    /// Breaks all connections; new ones work and are heard.
    pub(crate) fn cut(&self) {
        self.state.mute.store(false, Ordering::SeqCst);
        self.state.cut.notify_waiters();
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        let _gone = std::fs::remove_dir_all(&self.directory);
    }
}

/// The socket file of a connection string of the form `host=… port=…` or `postgres://…?host=…`.
fn socket_of(url: &str) -> String {
    let config: tokio_postgres::Config = url.parse().unwrap();
    let tokio_postgres::config::Host::Unix(directory) = &config.get_hosts()[0] else {
        panic!("the test server listens on a unix socket");
    };
    let port = config.get_ports().first().copied().unwrap_or(5432);
    format!("{}/.s.PGSQL.{port}", directory.display())
}

async fn accept(listener: UnixListener, server: String, state: Arc<State>) {
    while let Ok((client, _)) = listener.accept().await {
        #[expect(
            clippy::disallowed_methods,
            reason = "a connection of the test's own; it ends with the runtime"
        )]
        tokio::spawn(carry(client, server.clone(), state.clone()));
    }
}

async fn carry(mut client: UnixStream, server: String, state: Arc<State>) {
    let Ok(mut server) = UnixStream::connect(server).await else { return };
    let (mut up, mut down) = (vec![0; 65_536], vec![0; 65_536]);
    let cut = state.cut.notified();
    tokio::pin!(cut);
    loop {
        tokio::select! {
            () = &mut cut => return,
            read = client.read(&mut up) => match read {
                Ok(0) | Err(_) => return,
                Ok(n) => server.write_all(&up[..n]).await.unwrap(),
            },
            read = server.read(&mut down) => match read {
                Ok(0) | Err(_) => return,
                Ok(_) if state.mute.load(Ordering::SeqCst) => {}
                Ok(n) => client.write_all(&down[..n]).await.unwrap(),
            },
        }
    }
}
