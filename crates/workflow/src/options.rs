//! Values that parameters can take now: a parameter whose schema says `x-options: noun` is offered what
//! the loader of this noun finds.

use std::sync::Arc;

use db::Tx;
use futures::future::BoxFuture;
use kernel::{Object, Problem, WorkspaceId};
use node::Choice;

use crate::store::lists;

/// What is wanted of a loader.
#[derive(Clone, Debug)]
pub struct OptionsRequest {
    /// Whose values.
    pub workspace: WorkspaceId,
    /// Part of what a value or its label is called; may be empty.
    pub search: String,
    /// The other parameters as they are now.
    pub parameters: Object,
    /// Values at most.
    pub limit: usize,
}

/// Finds the values of one noun. Wired by the binary, so that any domain can have some.
pub trait OptionLoader: Send + Sync {
    /// The noun that schemas name it by.
    fn noun(&self) -> &'static str;

    /// The values, those most probably meant first. Runs in the read-only transaction of the call.
    fn load<'a>(
        &'a self,
        tx: &'a mut Tx,
        request: &'a OptionsRequest,
    ) -> BoxFuture<'a, Result<Vec<Choice>, Problem>>;
}

/// Every loader there is: a service of the process.
#[derive(Clone)]
pub struct OptionLoaders(Vec<Arc<dyn OptionLoader>>);

impl OptionLoaders {
    /// Those of this crate (`workflow`), and these.
    pub fn with(others: impl IntoIterator<Item = Arc<dyn OptionLoader>>) -> Self {
        let own: [Arc<dyn OptionLoader>; 1] = [Arc::new(Workflows)];
        Self(own.into_iter().chain(others).collect())
    }

    /// The loader of a noun; an internal error when the binary wires none.
    pub(crate) fn find(&self, noun: &str) -> Result<&dyn OptionLoader, Problem> {
        let found = self.0.iter().find(|loader| loader.noun() == noun);
        found.map(|loader| &**loader).ok_or_else(|| {
            tracing::error!(options.noun = noun, "the binary wires no loader of these options");
            Problem::internal()
        })
    }
}

/// Workflows by name, published ones first.
struct Workflows;

impl OptionLoader for Workflows {
    fn noun(&self) -> &'static str {
        "workflow"
    }

    fn load<'a>(
        &'a self,
        tx: &'a mut Tx,
        request: &'a OptionsRequest,
    ) -> BoxFuture<'a, Result<Vec<Choice>, Problem>> {
        Box::pin(async move {
            let limit = request.limit as i64;
            let found = lists::options(tx, request.workspace, &request.search, limit).await?;
            let choice = |(name, description, published): (String, String, bool)| Choice {
                label: if published { name.clone() } else { format!("{name} (not published)") },
                value: name,
                help: description,
            };
            Ok(found.into_iter().map(choice).collect())
        })
    }
}
