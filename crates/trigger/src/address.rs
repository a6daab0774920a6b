//! Addresses: patterns of paths with parameters, and how a request's path is matched.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use kernel::{VersionId, WorkflowId, WorkspaceId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;

use crate::calls::Sampler;
use crate::hooks::Target;

/// Which form of a workflow answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The published version, under `/hooks/`.
    Published,
    /// The draft, under `/hooks-test/`.
    Draft,
}

impl Stage {
    /// As stored.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Draft => "draft",
        }
    }

    /// First part of its addresses.
    pub(crate) fn root(self) -> &'static str {
        match self {
            Self::Published => "hooks",
            Self::Draft => "hooks-test",
        }
    }

    /// Reads what is stored.
    pub(crate) fn read(text: &str) -> Self {
        if text == Self::Draft.as_str() { Self::Draft } else { Self::Published }
    }
}

/// One address and what listens there.
pub(crate) struct Route {
    pub(crate) stage: Stage,
    pub(crate) workflow: WorkflowId,
    pub(crate) version: Option<VersionId>,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) node: String,
    /// Graph and trigger, loaded by the first request.
    pub(crate) target: OnceCell<Arc<Target>>,
    /// Which of its calls are written down.
    pub(crate) accepted: Sampler,
    pub(crate) rejected: Sampler,
}

/// A parameter's name and value.
pub(crate) type Parameter = (String, String);

/// Why no route was found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Miss {
    /// Nothing listens at this path.
    Path,
    /// Something does, but to these methods.
    Method(Vec<String>),
}

/// Every address of one workspace at one revision.
pub(crate) struct Addresses {
    pub(crate) workspace: WorkspaceId,
    pub(crate) revision: i64,
    /// Paths without parameters, by path; what is published and what is a draft apart.
    published: HashMap<String, Vec<Arc<Route>>>,
    drafts: HashMap<String, Vec<Arc<Route>>>,
    /// Paths with parameters; those with fewer come first.
    patterns: Vec<Arc<Route>>,
}

impl Addresses {
    pub(crate) fn new(workspace: WorkspaceId, revision: i64, routes: Vec<Route>) -> Self {
        let (mut published, mut drafts) =
            (HashMap::<_, Vec<_>>::new(), HashMap::<_, Vec<_>>::new());
        let mut patterns = Vec::new();
        for route in routes.into_iter().map(Arc::new) {
            let plain = match route.stage {
                Stage::Published => &mut published,
                Stage::Draft => &mut drafts,
            };
            if parameters_in(&route.path) == 0 {
                plain.entry(route.path.clone()).or_default().push(route);
            } else {
                patterns.push(route);
            }
        }
        patterns.sort_by_key(|route| parameters_in(&route.path));
        Self { workspace, revision, published, drafts, patterns }
    }

    /// The route of a path (as sent, without the part that names the workspace).
    pub(crate) fn find(
        &self,
        stage: Stage,
        path: &str,
        method: &str,
    ) -> Result<(Arc<Route>, Vec<Parameter>), Miss> {
        let path = normal(path);
        let mut allowed = Vec::new();
        let plain = match stage {
            Stage::Published => &self.published,
            Stage::Draft => &self.drafts,
        };
        for route in plain.get(&*path).into_iter().flatten() {
            if route.method == method {
                return Ok((Arc::clone(route), Vec::new()));
            }
            allowed.push(route.method.clone());
        }
        for route in self.patterns.iter().filter(|route| route.stage == stage) {
            let Some(parameters) = matched(&route.path, &path) else { continue };
            if route.method == method {
                return Ok((Arc::clone(route), parameters));
            }
            allowed.push(route.method.clone());
        }
        if allowed.is_empty() { Err(Miss::Path) } else { Err(Miss::Method(allowed)) }
    }
}

/// A document's path as it is stored: without slashes at its ends.
pub(crate) fn stored(path: &str) -> &str {
    path.trim_matches('/')
}

/// The path with every parameter as `:`.
pub(crate) fn shape(path: &str) -> String {
    let segments = stored(path).split('/');
    let shaped = segments.map(|segment| if segment.starts_with(':') { ":" } else { segment });
    shaped.collect::<Vec<_>>().join("/")
}

fn parameters_in(path: &str) -> usize {
    path.split('/').filter(|segment| segment.starts_with(':')).count()
}

/// A request's path without slashes at its ends, percent-decoded segment by segment.
fn normal(path: &str) -> Cow<'_, str> {
    let path = path.trim_matches('/');
    if path.contains('%') {
        // A decoded slash must not make a new segment.
        let decoded = percent_encoding::percent_decode_str(path).decode_utf8_lossy();
        if decoded.matches('/').count() == path.matches('/').count() {
            return Cow::Owned(decoded.into_owned());
        }
    }
    Cow::Borrowed(path)
}

fn matched(pattern: &str, path: &str) -> Option<Vec<Parameter>> {
    let mut parameters = Vec::new();
    let mut segments = path.split('/');
    for wanted in pattern.split('/') {
        let segment = segments.next()?;
        match wanted.strip_prefix(':') {
            Some(_) if segment.is_empty() => return None,
            Some(name) => parameters.push((name.to_owned(), segment.to_owned())),
            None if wanted == segment => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(parameters)
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn table(routes: &[(Stage, &str, &str)]) -> Addresses {
        let route = |(stage, method, path): &(Stage, &str, &str)| Route {
            stage: *stage,
            workflow: WorkflowId(Uuid::nil()),
            version: None,
            method: (*method).to_owned(),
            path: (*path).to_owned(),
            node: format!("{method} {path}"),
            target: OnceCell::new(),
            accepted: Sampler::default(),
            rejected: Sampler::default(),
        };
        Addresses::new(WorkspaceId(Uuid::nil()), 1, routes.iter().map(route).collect())
    }

    #[test]
    fn a_plain_path_wins_over_one_with_parameters() {
        let table = table(&[
            (Stage::Published, "GET", "orders/:id"),
            (Stage::Published, "GET", "orders/latest"),
        ]);
        let (route, parameters) = table.find(Stage::Published, "orders/latest/", "GET").unwrap();
        assert_eq!((route.path.as_str(), parameters.len()), ("orders/latest", 0));
        let (_, parameters) = table.find(Stage::Published, "/orders/4%20a", "GET").unwrap();
        assert_eq!(parameters, [("id".to_owned(), "4 a".to_owned())]);
    }

    #[test]
    fn another_method_is_told_apart_from_another_path() {
        let table = table(&[
            (Stage::Published, "GET", "a"),
            (Stage::Published, "PUT", "a"),
            (Stage::Draft, "DELETE", "a"),
        ]);
        let allowed = Miss::Method(vec!["GET".to_owned(), "PUT".to_owned()]);
        assert_eq!(table.find(Stage::Published, "a", "POST").err().unwrap(), allowed);
        assert_eq!(table.find(Stage::Published, "a/b", "GET").err().unwrap(), Miss::Path);
        assert!(table.find(Stage::Draft, "a", "DELETE").is_ok());
        assert!(table.find(Stage::Draft, "a", "GET").is_err());
    }

    #[test]
    fn two_spellings_of_one_address_have_one_shape() {
        assert_eq!(shape("/orders/:id/lines/"), shape("orders/:order/lines"));
    }
}
