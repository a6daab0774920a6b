//! Actions under keys on several members, some of which are gone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use function::{Answer, Host, Problem, Request, Services};
use kernel::clock::{SystemClock, SystemDice};
use kernel::{MemberId, codes};

use crate::functions::{Gate, recall_note};
use crate::world::{World, body, caller};

const NOTE: &str = r#"{"text": "a"}"#;
const REFUSED: &str = r#"{"text": "a", "refuse": true}"#;

/// A host of a member of its own.
struct Member {
    id: MemberId,
    host: Host,
}

impl Member {
    /// It lives: one of its fences is open.
    async fn join(world: &World, gate: Gate) -> Self {
        let id = MemberId::new(&SystemClock, &SystemDice);
        let services = Services::builder().with(gate).with(id).build();
        let (clock, dice) = (Arc::new(SystemClock), Arc::new(SystemDice));
        let host = Host::new(world.test.database.clone(), services, clock, dice);
        let open = "INSERT INTO forge.fences (incarnation, lane, fenced_at)
            VALUES ($1, 0, now()), ($1, 1, NULL)";
        world.test.superuser().await.execute(open, &[&id.0]).await.unwrap();
        Self { id, host }
    }

    /// The others declare it dead.
    async fn fence(&self, world: &World) {
        let close = "UPDATE forge.fences SET fenced_at = now() WHERE incarnation = $1";
        world.test.superuser().await.execute(close, &[&self.id.0]).await.unwrap();
    }

    async fn recall(&self, body: &str) -> Result<Answer, Problem> {
        let request = Request {
            idempotency_key: Some("k".to_owned()),
            body: body.as_bytes().to_vec(),
            ..Request::default()
        };
        self.host.call(&recall_note::FUNCTION, &caller(), &request).await
    }

    /// Begins a call and goes away in the middle of it.
    async fn die_in_a_call(&self) {
        tokio::select! {
            _ = self.recall(NOTE) => panic!("it goes away before"),
            () = self.begun() => {}
        }
    }

    async fn begun(&self) {
        let gate = self.host.services().get::<Gate>();
        while gate.begun.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
    }

    fn open(&self) {
        self.host.services().get::<Gate>().open.add_permits(1_000);
    }
}

fn in_flight(outcome: Result<Answer, Problem>) {
    assert_eq!(outcome.unwrap_err().code, codes::REQUEST_IN_FLIGHT);
}

#[tokio::test]
async fn a_repetition_on_another_member_waits_for_the_first() {
    let world = World::new(Gate::open()).await;
    let first = Member::join(&world, Gate::closed()).await;
    let second = Member::join(&world, Gate::open()).await;
    let meanwhile = async {
        first.begun().await;
        in_flight(second.recall(NOTE).await);
        in_flight(second.recall(NOTE).await);
        first.open();
    };
    let (answer, ()) = tokio::join!(first.recall(NOTE), meanwhile);
    let again = second.recall(NOTE).await.unwrap();
    assert_eq!(again.body, answer.unwrap().body);
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(second.host.services().get::<Gate>().begun.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn the_repetition_of_a_call_whose_member_is_gone_is_run_and_told_so() {
    let world = World::new(Gate::open()).await;
    let first = Member::join(&world, Gate::closed()).await;
    let second = Member::join(&world, Gate::open()).await;
    first.die_in_a_call().await;
    in_flight(second.recall(NOTE).await);
    first.fence(&world).await;
    assert_eq!(body(&second.recall(NOTE).await.unwrap()), true);
}

#[tokio::test]
async fn a_member_frees_no_key_that_another_has_taken_over() {
    let world = World::new(Gate::open()).await;
    let first = Member::join(&world, Gate::closed()).await;
    let second = Member::join(&world, Gate::closed()).await;
    let third = Member::join(&world, Gate::open()).await;
    let end = async {
        first.begun().await;
        first.fence(&world).await;
        let late = async {
            second.begun().await;
            first.open();
        };
        let taken_over = tokio::join!(second.recall(REFUSED), late);
        taken_over.0
    };
    let watch = async {
        // The first is refused while the second is still at it.
        let refused = first.recall(REFUSED).await;
        in_flight(third.recall(REFUSED).await);
        second.open();
        refused
    };
    let (refused, taken_over) = tokio::join!(watch, end);
    assert_eq!(refused.unwrap_err().code, codes::REQUEST_CONFLICT);
    assert_eq!(taken_over.unwrap_err().code, codes::REQUEST_CONFLICT);
}

#[tokio::test]
async fn a_call_that_failed_midway_is_a_repetition_the_second_time() {
    let world = World::new(Gate::open()).await;
    let member = Member::join(&world, Gate::open()).await;
    let failing = r#"{"text": "a", "shared": true}"#;
    assert_eq!(member.recall(failing).await.unwrap_err().code, codes::INTERNAL);
    assert_eq!(body(&member.recall(failing).await.unwrap()), true);
    let again = member.recall(failing).await.unwrap();
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
}

#[tokio::test]
async fn a_refused_call_is_the_first_again() {
    let world = World::new(Gate::open()).await;
    let member = Member::join(&world, Gate::open()).await;
    assert_eq!(member.recall(REFUSED).await.unwrap_err().code, codes::REQUEST_CONFLICT);
    assert_eq!(body(&member.recall(NOTE).await.unwrap()), false);
}
