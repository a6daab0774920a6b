//! What is known of a request before anything is done for it.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Response, header};
use kernel::Dice;
use observe::{RequestId, TraceContext};

/// The request's id, in and out.
pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The request's place in a trace, in and out.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Id, trace and sender of one request. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct About(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    id: RequestId,
    trace: Option<TraceContext>,
    peer: SocketAddr,
    path: String,
}

impl About {
    /// Reads the headers; a trace is only begun by callers who have one.
    pub(crate) fn read(headers: &HeaderMap, path: &str, peer: SocketAddr, dice: &dyn Dice) -> Self {
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

    /// Whether the sender sits on this machine and no proxy says that it speaks for somebody else.
    pub(crate) fn is_local(&self, headers: &HeaderMap) -> bool {
        self.0.peer.ip().to_canonical().is_loopback()
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
