//! `core.webhook`: an HTTP request starts the run.

use std::collections::HashSet;

use kernel::{FieldProblem, codes};
use node::{
    About, Hook, HookAuth, HookCors, HookIdempotency, HookReply, NodeType, Trigger, TriggerKind,
    params,
};
use serde::Serialize;

use crate::webhook_rules;

/// Bytes of a path.
const PATH_BYTES_MAX: usize = 500;

/// Starts the workflow with an HTTP request, and answers it.
///
/// The item is `{headers, params, query, body, webhookUrl, executionMode}`.
#[params(check = Webhook::faults)]
pub(crate) struct Webhook {
    /// Address below `/hooks/{workspace}/`, such as `orders/:id`. A segment `:name` takes any text
    /// and puts it into `params`.
    path: String,
    /// The method it listens to, or a list of them.
    #[serde(default)]
    method: Methods,
    /// Who answers, and when.
    #[serde(default)]
    respond: HookReply,
    /// Who may call it: `none`, or what a caller shows.
    #[serde(default)]
    auth: HookAuth,
    /// Networks it may be called from, such as `10.1.0.0/16` or `203.0.113.7`; empty: anywhere.
    #[serde(default)]
    allow_from: Vec<String>,
    /// Pages of which other sites may call it from a browser.
    #[serde(default)]
    cors: Option<HookCors>,
    /// Whether the body is kept as it came, as the file `data`, instead of being read.
    #[serde(default)]
    raw_body: bool,
    /// Media types it takes, such as `application/json` or `image/*`; empty: any.
    #[serde(default)]
    accepts: Vec<String>,
    /// Bytes of a body; never more than the server takes.
    #[serde(default)]
    body_bytes_max: Option<u64>,
    /// Which header tells a call from its repetitions; without it `idempotency-key`, when it is sent.
    #[serde(default)]
    idempotency: Option<HookIdempotency>,
}

/// One method or several.
#[params]
#[derive(Serialize)]
#[serde(untagged)]
enum Methods {
    /// This method only.
    One(Method),
    /// Any of these.
    Several(#[schemars(length(min = 1))] Vec<Method>),
}

impl Default for Methods {
    fn default() -> Self {
        Self::One(Method::Get)
    }
}

/// A method of HTTP.
#[params]
#[derive(Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
enum Method {
    Get,
    Post,
    Put,
    Patch,
    Delete,
    Head,
    Options,
}

impl Method {
    fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Head => "HEAD",
            Self::Options => "OPTIONS",
        }
    }
}

pub(crate) const NODE: NodeType = NodeType::trigger::<Webhook>();

impl Webhook {
    fn faults(&self) -> Vec<FieldProblem> {
        let mut faults: Vec<(String, String)> = fault_of_path(trimmed(&self.path))
            .map(|detail| ("/path".to_owned(), detail))
            .into_iter()
            .collect();
        if let Methods::Several(list) = &self.method {
            let mut seen = HashSet::new();
            for (index, method) in list.iter().enumerate() {
                if !seen.insert(method) {
                    let detail = format!("{} stands in the list twice.", method.name());
                    faults.push((format!("/method/{index}"), detail));
                }
            }
        }
        faults.extend(webhook_rules::faults(&self.hook()));
        let code = codes::NODE_PARAMETER.to_string();
        let fault = |(pointer, detail)| FieldProblem { pointer, code: code.clone(), detail };
        faults.into_iter().map(fault).collect()
    }

    fn hook(&self) -> Hook {
        let methods = match &self.method {
            Methods::One(method) => std::slice::from_ref(method),
            Methods::Several(list) => list,
        };
        Hook {
            path: trimmed(&self.path).to_owned(),
            methods: methods.iter().map(|method| method.name().to_owned()).collect(),
            respond: self.respond,
            auth: self.auth.clone(),
            allow_from: self.allow_from.clone(),
            cors: self.cors.clone(),
            raw_body: self.raw_body,
            accepts: self.accepts.clone(),
            body_bytes_max: self.body_bytes_max,
            idempotency: self.idempotency.clone(),
        }
    }
}

/// A path means the same with and without a slash before and after it.
fn trimmed(path: &str) -> &str {
    let path = path.strip_prefix('/').unwrap_or(path);
    path.strip_suffix('/').unwrap_or(path)
}

fn fault_of_path(path: &str) -> Option<String> {
    if path.is_empty() {
        return Some("The path must not be empty: write something like \"orders/:id\".".to_owned());
    }
    if path.len() > PATH_BYTES_MAX {
        return Some(format!("The path may be at most {PATH_BYTES_MAX} bytes long."));
    }
    let mut names = HashSet::new();
    for segment in path.split('/') {
        if segment.is_empty() {
            return Some("The path has an empty segment: take one of the slashes out.".to_owned());
        }
        if segment == "." || segment == ".." {
            return Some(format!("The path has a segment \"{segment}\", which no client sends."));
        }
        if let Some(letter) = segment.chars().find(|c| !is_allowed(*c)) {
            return Some(format!(
                "The path has a {letter:?} in it: use letters, digits and - . _ ~ ! $ ' ( ) * + , \
                 ; = @ only."
            ));
        }
        if let Some(name) = segment.strip_prefix(':') {
            let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
            if name.is_empty() || !name.chars().all(plain) {
                return Some(format!(
                    "\"{segment}\" names no parameter: write letters, digits and _ after the colon."
                ));
            }
            if !names.insert(name) {
                return Some(format!("The parameter \":{name}\" stands in the path twice."));
            }
        }
    }
    None
}

fn is_allowed(letter: char) -> bool {
    letter.is_alphanumeric() || "-._~!$'()*+,;=:@".contains(letter)
}

impl Trigger for Webhook {
    const ABOUT: About = About::new("core.webhook", 1)
        .synonyms(&["http endpoint", "trigger", "callback", "receive", "incoming"])
        .examples(include_str!("../cases/webhook.json"))
        .group("trigger")
        .inputs(&[])
        .imports(&["n8n-nodes-base.webhook"])
        .example(r#"{"path": "orders/:id", "method": ["GET", "POST"], "respond": "last_node"}"#);

    fn kind(&self) -> TriggerKind {
        TriggerKind::Webhook(Box::new(self.hook()))
    }
}
