//! What is known of a request before anything is done for it.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use ipnet::IpNet;
use kernel::Dice;
use observe::{RequestId, TraceContext};

/// The request's id, in and out.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The request's place in a trace, in and out.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    /// Their address, or that of the proxy before them.
    pub(crate) address: SocketAddr,
    /// Whether TLS was spoken with us.
    pub(crate) secure: bool,
}

/// Id, trace and sender of one request. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct About(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: RequestId,
    trace: Option<TraceContext>,
    peer: Peer,
    path: String,
}

impl About {
    /// Reads the headers; a trace is only begun by callers who have one.
    pub(crate) fn read(headers: &HeaderMap, path: &str, peer: Peer, dice: &dyn Dice) -> Self {
        let id = RequestId::accept(headers.get(REQUEST_ID).map(HeaderValue::as_bytes), dice);
        let sent = headers.get(TRACEPARENT).map(HeaderValue::as_bytes);
        let trace = sent.map(|sent| TraceContext::continue_from(Some(sent), dice));
        Self(Arc::new(Inner { id, trace, peer, path: path.to_owned() }))
    }

    /// The id.
    pub(crate) fn id(&self) -> &str {
        self.0.id.as_str()
    }

    /// The path it was sent to.
    pub(crate) fn path(&self) -> &str {
        &self.0.path
    }

    /// The trace's id, or nothing.
    pub(crate) fn trace_id(&self) -> String {
        self.0.trace.map(|trace| trace.trace_id()).unwrap_or_default()
    }

    /// What to send on, when the sender has a trace.
    pub(crate) fn traceparent(&self) -> Option<String> {
        self.0.trace.map(|trace| trace.to_string())
    }

    /// Whether TLS was spoken with us.
    pub(crate) fn is_secure(&self) -> bool {
        self.0.peer.secure
    }

    /// The sender's address: where a trusted proxy stands before us, what it says of its caller.
    pub(crate) fn address(&self, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
        let peer = self.0.peer.address.ip().to_canonical();
        if !trusted(proxies, peer) {
            return peer;
        }
        // The last entries were added by those nearest to us; the first that is none of them calls.
        let sent = headers.get_all("x-forwarded-for").iter().rev();
        let entries = sent.filter_map(|value| value.to_str().ok());
        let entries =
            entries.flat_map(|text| text.rsplit(',')).map(|entry| forwarded(entry.trim()));
        let mut nearest = peer;
        for entry in entries {
            let Some(address) = entry else { break };
            nearest = address.to_canonical();
            if !trusted(proxies, nearest) {
                break;
            }
        }
        nearest
    }

    /// Whether the sender sits on this machine and no proxy says that it speaks for somebody else.
    pub(crate) fn is_local(&self, headers: &HeaderMap) -> bool {
        self.0.peer.address.ip().to_canonical().is_loopback()
            && !headers.contains_key("x-forwarded-for")
            && !headers.contains_key(header::FORWARDED)
    }

    /// Puts id and trace on the response.
    pub(crate) fn sign(&self, response: &mut Response<Body>) {
        let headers = response.headers_mut();
        if let Ok(id) = HeaderValue::from_str(self.id()) {
            headers.insert(REQUEST_ID, id);
        }
        if let Some(trace) = self.0.trace
            && let Ok(value) = HeaderValue::from_str(&trace.to_string())
        {
            headers.insert(TRACEPARENT, value);
        }
    }
}

/// One entry of `x-forwarded-for`: an address, which some proxies write with its port.
fn forwarded(entry: &str) -> Option<IpAddr> {
    let in_brackets = || entry.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    let with_port = || entry.parse::<SocketAddr>().ok().map(|address| address.ip());
    entry.parse().ok().or_else(with_port).or_else(in_brackets)
}

fn trusted(proxies: &[IpNet], address: IpAddr) -> bool {
    proxies.iter().any(|network| network.contains(&address))
}

#[cfg(test)]
mod tests {
    use kernel::clock::SystemDice;

    use super::*;

    fn address(peer: &str, forwarded: &str) -> String {
        let peer = Peer { address: SocketAddr::new(peer.parse().unwrap(), 1), secure: false };
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", HeaderValue::from_str(forwarded).unwrap());
        let about = About::read(&headers, "/", peer, &SystemDice);
        about.address(&headers, &["10.0.0.0/8".parse().unwrap()]).to_string()
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_its_caller() {
        assert_eq!(address("192.0.2.7", "198.51.100.1"), "192.0.2.7");
        assert_eq!(address("10.0.0.1", "203.0.113.9, 198.51.100.1, 10.0.0.2"), "198.51.100.1");
        assert_eq!(address("10.0.0.1", "nonsense"), "10.0.0.1");
        assert_eq!(address("10.0.0.1", "198.51.100.1:5678, 10.0.0.2:99"), "198.51.100.1");
        assert_eq!(address("10.0.0.1", "[2001:db8::1]:99"), "2001:db8::1");
        assert_eq!(address("10.0.0.1", "[2001:db8::1]"), "2001:db8::1");
        assert_eq!(address("10.0.0.1", "198.51.100.1:port"), "10.0.0.1");
        assert_eq!(address("::ffff:10.0.0.1", "2001:db8::1"), "2001:db8::1");
    }
}
