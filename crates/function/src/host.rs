//! The host: runs a function for a caller.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use db::{Database, Identity};
use kernel::{Clock, Dice, Problem, codes};
use tokio::sync::Mutex as AsyncMutex;

use crate::answer::Answer;
use crate::caller::Caller;
use crate::context::{ActionContext, MutationContext, QueryContext, Surroundings};
use crate::declaration::{Answering, Function, Handler, Kind};
use crate::request::Request;
use crate::services::Services;

/// Runs functions. Cheap to clone.
#[derive(Clone)]
pub struct Host {
    database: Database,
    services: Services,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
}

impl Host {
    /// A host on this database with these services.
    pub fn new(
        database: Database,
        services: Services,
        clock: Arc<dyn Clock>,
        dice: Arc<dyn Dice>,
    ) -> Self {
        Self { database, services, clock, dice }
    }

    /// The services functions are given.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// Runs the function, provided the caller may.
    pub async fn call(
        &self,
        function: &Function,
        caller: &Caller,
        request: &Request,
    ) -> Result<Answer, Problem> {
        caller.require(function.permission)?;
        match (function.handler, function.kind) {
            (Handler::Query(run), _) => {
                let cx = QueryContext {
                    surroundings: self.surroundings(caller, request),
                    tx: AsyncMutex::new(self.database.read(identity(caller)).await?),
                };
                run(&cx, request).await
            }
            (Handler::Mutation(run), _) => self.mutate(run, caller, request).await,
            (Handler::Action(run), Kind::Action { timeout }) => {
                let cx = ActionContext {
                    surroundings: self.surroundings(caller, request),
                    database: self.database.clone(),
                };
                tokio::time::timeout(timeout, run(&cx, request))
                    .await
                    .unwrap_or_else(|_| Err(out_of_time(function.name, timeout)))
            }
            (Handler::Action(_), Kind::Query | Kind::Mutation { .. }) => {
                unreachable!("the attributes pair kind and handler")
            }
        }
    }

    /// Runs a mutation from the raw request, again when it met another transaction.
    async fn mutate(
        &self,
        run: for<'a> fn(&'a MutationContext, &'a Request) -> Answering<'a>,
        caller: &Caller,
        request: &Request,
    ) -> Result<Answer, Problem> {
        let transaction = |tx| async move {
            let cx = MutationContext {
                surroundings: self.surroundings(caller, request),
                tx: AsyncMutex::new(tx),
                after: Mutex::default(),
            };
            let answer = run(&cx, request).await?;
            cx.tx.into_inner().commit().await?;
            Ok::<_, Problem>((answer, cx.after))
        };
        let (answer, after) = self.database.transact(identity(caller), transaction).await?;
        for act in after.into_inner().unwrap_or_else(PoisonError::into_inner) {
            act(&self.services);
        }
        Ok(answer)
    }

    fn surroundings(&self, caller: &Caller, request: &Request) -> Surroundings {
        Surroundings {
            caller: caller.clone(),
            services: self.services.clone(),
            clock: Arc::clone(&self.clock),
            dice: Arc::clone(&self.dice),
            idempotency_key: request.idempotency_key.as_deref().map(Arc::from),
        }
    }
}

fn identity(caller: &Caller) -> Identity {
    Identity::new(caller.workspace, caller.principal)
}

fn out_of_time(name: &str, timeout: Duration) -> Problem {
    let detail = format!("`{name}` was not done after {} ms and was stopped.", timeout.as_millis());
    Problem::new(codes::REQUEST_TIMEOUT, detail)
}
