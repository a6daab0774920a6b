//! The same request under the same key: done once, answered the same.

use function::Request;
use kernel::codes;

use crate::functions::{Gate, add_note, send_note};
use crate::world::{World, body, caller, host};

const NOTE: &str = r#"{"text": "a"}"#;

#[tokio::test]
async fn a_repeated_mutation_is_answered_as_the_first_one_was() {
    let world = World::new(Gate::open()).await;
    let first = world.call(&add_note::FUNCTION, Some("k"), NOTE).await.unwrap();
    world.call(&add_note::FUNCTION, None, NOTE).await.unwrap();
    let again = world.call(&add_note::FUNCTION, Some("k"), NOTE).await.unwrap();
    assert_eq!((again.status, &again.body), (first.status, &first.body));
    assert_eq!(again.header("etag"), first.header("etag"));
    assert_eq!(
        (first.header("idempotency-replayed"), body(&first)["count"].as_i64()),
        (None, Some(1))
    );
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
    assert_eq!(world.left().await, [2, 2, 2, 2, 1]);
    assert_eq!(world.begun(), 2);
}

#[tokio::test]
async fn a_key_belongs_to_its_sender_and_to_one_request() {
    let world = World::new(Gate::open()).await;
    world.call(&add_note::FUNCTION, Some("k"), NOTE).await.unwrap();
    for (function, text) in
        [(&add_note::FUNCTION, r#"{"text": "b"}"#), (&send_note::FUNCTION, NOTE)]
    {
        let reused = world.call(function, Some("k"), text).await.unwrap_err();
        assert_eq!(reused.code, codes::REQUEST_KEY_REUSED, "{function:?}");
    }
    let mut other = caller();
    other.principal = kernel::PrincipalId(uuid::Uuid::from_u128(99));
    let request = Request {
        idempotency_key: Some("k".to_owned()),
        body: br#"{"text": "b"}"#.to_vec(),
        ..Request::default()
    };
    let answer = world.host.call(&add_note::FUNCTION, &other, &request).await.unwrap();
    assert_eq!(body(&answer)["text"], "b");
    assert_eq!(world.left().await, [2, 2, 2, 2, 2]);
}

#[tokio::test]
async fn a_repetition_is_refused_while_the_first_is_under_way() {
    for function in [&add_note::FUNCTION, &send_note::FUNCTION] {
        let world = World::new(Gate::closed()).await;
        let second = async {
            world.wait_begun(1).await;
            let refused = world.call(function, Some("k"), NOTE).await.unwrap_err();
            assert_eq!(refused.code, codes::REQUEST_IN_FLIGHT, "{function:?}");
            assert!(refused.retry_after_ms.is_some());
            world.open();
        };
        let (first, ()) = tokio::join!(world.call(function, Some("k"), NOTE), second);
        let again = world.call(function, Some("k"), NOTE).await.unwrap();
        assert_eq!(again.body, first.unwrap().body);
        assert_eq!(world.begun(), 1);
    }
}

#[tokio::test]
async fn of_many_at_once_one_is_done_and_nobody_gets_another_answer() {
    let world = World::new(Gate::open()).await;
    for round in 0..10 {
        let key = format!("key {round}");
        let call = || world.call(&add_note::FUNCTION, Some(&key), NOTE);
        let calls = futures::future::join_all((0..8).map(|_| call())).await;
        let mut answers = Vec::new();
        for call in calls {
            match call {
                Ok(answer) => answers.push(answer.body),
                Err(problem) => assert_eq!(problem.code, codes::REQUEST_IN_FLIGHT),
            }
        }
        assert!(!answers.is_empty() && answers.windows(2).all(|pair| pair[0] == pair[1]));
        assert_eq!(world.left().await, [round + 1; 5]);
    }
}

#[tokio::test]
async fn an_action_is_done_once_and_again_when_its_process_died() {
    let world = World::new(Gate::open()).await;
    let first = world.call(&send_note::FUNCTION, Some("k"), NOTE).await.unwrap();
    let again = world.call(&send_note::FUNCTION, Some("k"), NOTE).await.unwrap();
    assert_eq!((&again.body, again.header("idempotency-replayed")), (&first.body, Some("true")));
    let reused = world.call(&send_note::FUNCTION, Some("k"), r#"{"text": "b"}"#).await;
    assert_eq!(reused.unwrap_err().code, codes::REQUEST_KEY_REUSED);
    // A refusal frees the key.
    let text = r#"{"text": "a", "refuse": true}"#;
    world.call(&send_note::FUNCTION, Some("l"), text).await.unwrap_err();
    world.call(&send_note::FUNCTION, Some("l"), NOTE).await.unwrap();
    assert_eq!(world.left().await, [0, 0, 0, 2, 2], "each that was done is audited once");
    world.call(&send_note::FUNCTION, None, NOTE).await.unwrap();
    assert_eq!(world.left().await[3], 3, "without a key too");

    // What a process leaves that dies before it has kept the answer.
    let lost = "UPDATE forge.idempotency_keys SET answer = NULL";
    world.test.superuser().await.batch_execute(lost).await.unwrap();
    let begun = world.begun();
    let survivor = host(&world.test.database, Gate::open());
    let request = Request {
        idempotency_key: Some("k".to_owned()),
        body: NOTE.as_bytes().to_vec(),
        ..Request::default()
    };
    let done = survivor.call(&send_note::FUNCTION, &caller(), &request).await.unwrap();
    assert_eq!(done.body, first.body, "what it does once it does under the same key");
    assert_eq!(world.begun(), begun);
    let again = world.call(&send_note::FUNCTION, Some("k"), NOTE).await.unwrap();
    assert_eq!(again.header("idempotency-replayed"), Some("true"));
}

#[tokio::test]
async fn a_first_that_committed_unseen_keeps_the_second_from_being_done() {
    // The second meets it at the key, or at a rule of its own rows before it comes there.
    for rule in ["", "CREATE UNIQUE INDEX one_of_each ON forge.notes (workspace_id, text)"] {
        first_committed_unseen(rule).await;
    }
}

async fn first_committed_unseen(rule: &str) {
    let world = World::new(Gate::closed()).await;
    let request = Request {
        idempotency_key: Some("k".to_owned()),
        body: NOTE.as_bytes().to_vec(),
        ..Request::default()
    };
    let swift = host(&world.test.database, Gate::open());
    let first = swift.call(&add_note::FUNCTION, &caller(), &request).await.unwrap();
    // As if the first had committed after the second looked and before it took the lock.
    let superuser = world.test.superuser().await;
    superuser.batch_execute(rule).await.unwrap();
    let hide = "CREATE TABLE hidden AS SELECT * FROM forge.idempotency_keys;
        DELETE FROM forge.idempotency_keys";
    superuser.batch_execute(hide).await.unwrap();
    let show = async {
        world.wait_begun(1).await;
        let show = "INSERT INTO forge.idempotency_keys SELECT * FROM hidden";
        superuser.batch_execute(show).await.unwrap();
        world.open();
    };
    let (second, ()) = tokio::join!(world.call(&add_note::FUNCTION, Some("k"), NOTE), show);
    let second = second.unwrap();
    assert_eq!((second.body, second.status), (first.body, first.status));
    assert_eq!(world.left().await, [1, 1, 1, 1, 1]);
}
