//! The host: runs a function for a caller.

use std::sync::{Arc, Mutex, PoisonError};

use db::{Database, Identity};
use kernel::id::uuid_v7;
use kernel::{Clock, Dice, Problem};
use tokio::sync::{Mutex as AsyncMutex, OnceCell};
use uuid::Uuid;

use crate::action::{Acting, UnderWay};
use crate::answer::Answer;
use crate::call::Call;
use crate::caller::Caller;
use crate::check::Arguments;
use crate::context::{QueryContext, Surroundings};
use crate::cursor::{CursorKey, cursor_key};
use crate::declaration::{Answering, Function, Handler, Kind, Method};
use crate::request::Request;
use crate::services::Services;
use crate::store;
use crate::turn::Turn;
use crate::version::{Tags, Version};

/// Runs functions. Cheap to clone.
///
/// Round trips to the database: a query costs one for each of its statements (BEGIN rides with the
/// first; nothing is committed). A mutation costs one for each of its statements and one more, in
/// which its audit row, jobs, events and COMMIT go together; an idempotency key costs one besides. An
/// action costs what it does itself; an audit row one more (its commit included), an idempotency key
/// two more.
#[derive(Clone)]
pub struct Host {
    pub(crate) inner: Arc<Inner>,
}

/// What the clones of a host share.
pub(crate) struct Inner {
    pub(crate) database: Database,
    pub(crate) services: Services,
    clock: Arc<dyn Clock>,
    dice: Arc<dyn Dice>,
    cursors: OnceCell<CursorKey>,
    pub(crate) under_way: UnderWay,
}

/// One call, ready to run.
pub(crate) struct Ready<'a> {
    pub(crate) function: &'a Function,
    pub(crate) caller: &'a Caller,
    pub(crate) arguments: &'a Arguments,
    pub(crate) call: Arc<Call>,
    /// Its place among the calls that run, where somebody counts those.
    pub(crate) turn: Option<Arc<dyn Turn>>,
    /// The last parameter of the path: what a mutation is about, unless it says otherwise.
    pub(crate) last_of_path: Option<&'a str>,
}

impl Host {
    /// A host on this database with these services.
    pub fn new(
        database: Database,
        services: Services,
        clock: Arc<dyn Clock>,
        dice: Arc<dyn Dice>,
    ) -> Self {
        let (cursors, under_way) = (OnceCell::new(), UnderWay::default());
        let inner = Inner { database, services, clock, dice, cursors, under_way };
        Self { inner: Arc::new(inner) }
    }

    /// The services functions are given.
    pub fn services(&self) -> &Services {
        &self.inner.services
    }

    /// Runs the function, provided the caller may.
    ///
    /// # Errors
    /// In this order: `auth.forbidden`; what is wrong with the arguments; `request.in_flight` and
    /// `request.key_reused`; then the function's own.
    pub async fn call(
        &self,
        function: &Function,
        caller: &Caller,
        request: &Request,
    ) -> Result<Answer, Problem> {
        self.call_in_turn(function, caller, request, None).await
    }

    /// The same for a call that has a place among those that run, which it may give up and take again.
    ///
    /// # Errors
    /// Those of [`Host::call`].
    pub async fn call_in_turn(
        &self,
        function: &Function,
        caller: &Caller,
        request: &Request,
        turn: Option<Arc<dyn Turn>>,
    ) -> Result<Answer, Problem> {
        caller.require(function.permission)?;
        let arguments = Arguments::read((function.checks)(), request)?;
        let cursors = match function.method {
            Method::Get => Some(self.cursor_key().await?),
            Method::Post | Method::Put | Method::Patch | Method::Delete => None,
        };
        let call = Arc::new(Call::new(function, caller, request, cursors)?);
        let last_of_path = request.path.last().map(|(_, value)| value.as_str());
        let arguments = &arguments;
        let ready = Ready { function, caller, arguments, call, turn, last_of_path };
        let answer = match (function.handler, function.kind) {
            (Handler::Query(run), _) => self.query(run, &ready).await?,
            (Handler::Mutation(run), Kind::Mutation { audit }) => {
                self.mutate(run, audit, &ready).await?
            }
            (Handler::Action(run), Kind::Action { timeout, audit }) => {
                self.act(Acting { run, timeout, audit }, &ready).await?
            }
            (Handler::Action(_), Kind::Query | Kind::Mutation { .. })
            | (Handler::Mutation(_), Kind::Query | Kind::Action { .. }) => {
                unreachable!("the attributes pair kind and handler")
            }
        };
        match function.method {
            Method::Get => unless_known(answer, request),
            Method::Post | Method::Put | Method::Patch | Method::Delete => Ok(answer),
        }
    }

    async fn query(
        &self,
        run: for<'a> fn(&'a QueryContext, &'a Arguments) -> Answering<'a>,
        ready: &Ready<'_>,
    ) -> Result<Answer, Problem> {
        let surroundings = self.surroundings(ready);
        let tx = self.inner.database.read(identity(ready.caller)).await?;
        let cx = QueryContext { surroundings, tx: AsyncMutex::new(tx) };
        let answer = run(&cx, ready.arguments).await?;
        Ok(tagged(answer, cx.surroundings.take_version().as_ref()))
    }

    pub(crate) fn surroundings(&self, ready: &Ready<'_>) -> Surroundings {
        let Inner { services, clock, dice, .. } = &*self.inner;
        Surroundings {
            caller: ready.caller.clone(),
            services: services.clone(),
            clock: Arc::clone(clock),
            dice: Arc::clone(dice),
            call: Arc::clone(&ready.call),
            version: Arc::new(Mutex::new(None)),
        }
    }

    /// A new id.
    pub(crate) fn new_id(&self) -> Uuid {
        uuid_v7(&*self.inner.clock, &*self.inner.dice)
    }

    async fn cursor_key(&self) -> Result<CursorKey, Problem> {
        let read = || async {
            let secret = store::find_cursor_key(&self.inner.database).await?;
            Ok::<_, Problem>(cursor_key(&secret))
        };
        self.inner.cursors.get_or_try_init(read).await.cloned()
    }
}

/// On whose behalf the database is asked.
pub(crate) fn identity(caller: &Caller) -> Identity {
    Identity::new(caller.workspace, caller.principal)
}

/// The answer of a read, with its entity tag.
pub(crate) fn tagged(answer: Answer, version: Option<&Version>) -> Answer {
    if answer.header("etag").is_some() {
        return answer;
    }
    let tag = Version::tag_of(version, &answer.body);
    answer.with_header("etag", tag)
}

/// 304 when the sender has this answer already.
fn unless_known(answer: Answer, request: &Request) -> Result<Answer, Problem> {
    let known = Tags::read("if-none-match", request.if_none_match.as_deref())?;
    let find = |tag: &str| known.as_ref().and_then(|known| known.find(tag));
    let Some(known) = answer.header("etag").and_then(find) else { return Ok(answer) };
    let mut headers = answer.headers;
    // It is told the tag of what it has, which may have been compressed.
    headers.retain(|(name, _)| name != "etag");
    let answer = Answer { status: 304, content_type: "".into(), headers, body: Vec::new() };
    Ok(answer.with_header("etag", known))
}

/// What a mutex holds, whatever became of others who held it.
pub(crate) fn unlock<T>(mutex: Mutex<T>) -> T {
    mutex.into_inner().unwrap_or_else(PoisonError::into_inner)
}
