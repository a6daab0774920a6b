//! Pebble, a real directory of certificates for tests, with a name server that leads every name here.

use std::net::{Ipv4Addr, TcpListener as Reserved, UdpSocket};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use reqwest::{Certificate, Client};

use super::eventually;

/// A directory of its own, ended when this is dropped.
pub(crate) struct Pebble {
    processes: Vec<Child>,
    folder: PathBuf,
    port: u16,
    management: u16,
    client: Client,
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Pebble {
    /// Starts one that checks names at this port. It refuses every seventh call for its number, and
    /// takes no name for proven because it was so before.
    pub(crate) async fn start(checked_port: u16) -> Self {
        Self::start_at(free_port(), checked_port).await
    }

    /// The same where it was announced to be.
    pub(crate) async fn start_at(port: u16, checked_port: u16) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("ff-pebble-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let [management, names] = free_ports();
        let certificates = certificates();
        let config = serde_json::json!({ "pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management}"),
            "certificate": certificates.join("server.pem"),
            "privateKey": certificates.join("server.key"),
            "httpPort": 1,
            "tlsPort": checked_port,
            "certificateValidityPeriod": 90 * 86_400,
        }});
        std::fs::write(folder.join("pebble.json"), config.to_string()).unwrap();
        let name_server = format!("127.0.0.1:{names}");
        let mut answerer = Command::new("pebble-challtestsrv");
        answerer.args(["-defaultIPv4", "127.0.0.1", "-defaultIPv6", "", "-dns01", &name_server]);
        // It is asked nothing but names; an empty address means not to listen.
        answerer.args(["-management", "127.0.0.1:0", "-http01", "", "-https01", ""]);
        answerer.args(["-tlsalpn01", ""]);
        let mut directory = Command::new("pebble");
        directory.arg("-config").arg(folder.join("pebble.json"));
        directory.args(["-dnsserver", &name_server]);
        directory.envs([("PEBBLE_VA_NOSLEEP", "1"), ("PEBBLE_AUTHZREUSE", "0")]);
        directory.env("PEBBLE_WFE_NONCEREJECT", "15");
        let client = Client::builder().no_proxy().tls_certs_only([authority()]).build().unwrap();
        let processes = vec![started(&mut answerer), started(&mut directory)];
        let pebble = Self { processes, folder, port, management, client };
        let url = pebble.directory();
        let here = async || pebble.client.get(&url).send().await.ok();
        eventually("pebble answers", here).await;
        pebble
    }

    /// Address of the directory.
    pub(crate) fn directory(&self) -> String {
        directory(self.port)
    }

    /// Where it listens.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// File with the authority of the directory's own certificate.
    pub(crate) fn ca() -> PathBuf {
        certificates().join("authority.pem")
    }

    /// The authority of the certificates it issues (PEM).
    pub(crate) async fn root_pem(&self) -> Vec<u8> {
        let url = format!("https://localhost:{}/roots/0", self.management);
        self.client.get(url).send().await.unwrap().bytes().await.unwrap().to_vec()
    }

    /// The same for clients.
    pub(crate) async fn root(&self) -> Certificate {
        Certificate::from_pem(&self.root_pem().await).unwrap()
    }
}

/// Address of a directory that listens there.
pub(crate) fn directory(port: u16) -> String {
    format!("https://localhost:{port}/dir")
}

fn certificates() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../egress/tests/certificates")
}

fn authority() -> Certificate {
    Certificate::from_pem(&std::fs::read(Pebble::ca()).unwrap()).unwrap()
}

fn started(command: &mut Command) -> Child {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("pebble is installed: `tools/setup --tests` does it")
}

/// Ports that nobody has, neither for TCP nor for UDP. They are all held before one is given back, so
/// that they differ.
fn free_ports<const N: usize>() -> [u16; N] {
    let held = [(); N].map(|()| {
        let mut tries = std::iter::repeat_with(|| {
            let tcp = Reserved::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, tcp.local_addr().unwrap().port()));
            udp.map(|udp| (tcp, udp))
        });
        tries.find_map(Result::ok).unwrap()
    });
    held.map(|(tcp, _)| tcp.local_addr().unwrap().port())
}

/// A port where nobody listens.
pub(crate) fn free_port() -> u16 {
    let [port] = free_ports();
    port
}
