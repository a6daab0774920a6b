//! Runs outside of the flush: taking over, listing, signalling, waking.

use engine::flusher::Verdict;
use engine::store::{CANCEL, RunRecord, Search, SearchOrder};
use kernel::{WorkspaceId, codes};
use uuid::Uuid;
use workflow::Retention;

use crate::world::{
    WORKFLOW, WORKSPACE, World, end, join, new_run, now, park, progress, store, whole,
};

#[tokio::test]
async fn runs_of_a_dead_member_go_to_the_next_one_with_their_journal() {
    let mut world = World::new().await;
    let run = world.started().await;
    for seq in 2..=2_500 {
        world.offer(run, 0, progress(seq));
    }
    for _ in 2..=2_500 {
        assert_eq!(world.answer().await.outcome, Ok(Verdict::Ok { signals: 0 }));
    }
    let next = join(&world.db.database, "there", false).await;
    let theirs = store(&world.db.database, next.id());
    assert!(theirs.take_over(10).await.unwrap().is_empty(), "the owner is alive");
    world.member.leave().await.unwrap();
    let taken = theirs.take_over(10).await.unwrap();
    assert_eq!(taken.len(), 1);
    assert_eq!((taken[0].run, taken[0].epoch, taken[0].reclaims), (run, 2, 1));
    assert_eq!(theirs.journal(&taken[0]).await.unwrap().len(), 2_500);
    assert!(theirs.take_over(10).await.unwrap().is_empty(), "it was taken once");
    assert_eq!(theirs.owned().await.unwrap(), [(WORKSPACE, run)]);
}

#[tokio::test]
async fn a_fenced_member_takes_nothing_over() {
    let mut world = World::new().await;
    world.started().await;
    let next = join(&world.db.database, "there", false).await;
    let theirs = store(&world.db.database, next.id());
    world.member.leave().await.unwrap();
    next.leave().await.unwrap();
    assert!(theirs.take_over(10).await.unwrap().is_empty());
    assert_eq!(world.count("runs WHERE epoch = 1").await, 1);
}

#[tokio::test]
async fn a_signal_to_a_parked_run_wakes_it_and_waits_in_its_inbox() {
    let mut world = World::new().await;
    let run = world.started().await;
    world.flush(run, park(2, 0, None)).await.unwrap();
    assert!(world.store.take_due(10).await.unwrap().is_empty());
    world.store.signal(WORKSPACE, run, "resume", b"yes").await.unwrap();
    world.store.signal_cancel(WORKSPACE, run).await.unwrap();
    let taken = world.store.take_due(10).await.unwrap();
    assert_eq!((taken.len(), taken[0].signals, taken[0].epoch), (1, 2, 2));
    let inbox = world.store.inbox(WORKSPACE, run).await.unwrap();
    let kinds: Vec<_> = inbox.iter().map(|signal| &*signal.kind).collect();
    assert_eq!(kinds, ["resume", CANCEL]);
    world.store.consume(WORKSPACE, run, &[inbox[0].id]).await.unwrap();
    assert_eq!(world.store.inbox(WORKSPACE, run).await.unwrap(), inbox[1..]);
    assert_eq!(world.flush_as(run, 2, end(2)).await, Ok(Verdict::Ok { signals: 2 }));
    assert_eq!(world.count("inbox").await, 0);
}

#[tokio::test]
async fn a_signal_to_a_finished_or_unknown_run_is_refused() {
    let mut world = World::new().await;
    let run = new_run();
    world.flush(run, whole(None, Retention::Days(30))).await.unwrap();
    for run in [run, new_run()] {
        let problem = world.store.signal_cancel(WORKSPACE, run).await.unwrap_err();
        assert_eq!(problem.code, codes::RUN_FINISHED);
    }
    assert_eq!(world.count("inbox").await, 0);
}

#[tokio::test]
async fn the_owner_finds_what_was_signalled() {
    let mut world = World::new().await;
    let (run, _quiet) = (world.started().await, world.started().await);
    assert!(world.store.signalled().await.unwrap().is_empty());
    world.store.signal_cancel(WORKSPACE, run).await.unwrap();
    assert_eq!(world.store.signalled().await.unwrap(), [(WORKSPACE, run)]);
}

#[tokio::test]
async fn a_list_shows_live_and_finished_runs_newest_first_in_pages() {
    let mut world = World::new().await;
    let mut runs = vec![world.started().await];
    for keep in [Retention::Days(1), Retention::Forever, Retention::Days(90)] {
        let run = new_run();
        world.flush(run, whole(None, keep)).await.unwrap();
        runs.push(run);
    }
    runs.push(world.started().await);
    runs.sort();
    runs.reverse();
    let search = Search { workflow: Some(WORKFLOW), ..Search::default() };
    let page = world.store.search(WORKSPACE, search, 3).await.unwrap();
    let search = Search { after_run: page.next, ..Search::default() };
    let rest = world.store.search(WORKSPACE, search, 3).await.unwrap();
    assert_eq!(rest.next, None);
    let listed: Vec<_> = page.runs.iter().chain(&rest.runs).map(|run| run.run).collect();
    assert_eq!(listed, runs);
    let oldest = Search { order: SearchOrder::Oldest, ..Search::default() };
    let oldest = world.store.search(WORKSPACE, oldest, 9).await.unwrap();
    assert!(oldest.runs.iter().rev().map(|run| run.run).eq(runs));
    let stranger = WorkspaceId(Uuid::from_u128(0x5151));
    assert!(world.store.search(stranger, Search::default(), 9).await.unwrap().runs.is_empty());
}

#[tokio::test]
async fn times_are_compared_exactly_and_not_by_the_milliseconds_of_ids() {
    let mut world = World::new().await;
    let run = new_run();
    world.flush(run, whole(None, Retention::Days(30))).await.unwrap();
    let began =
        world.store.search(WORKSPACE, Search::default(), 9).await.unwrap().runs[0].started_at;
    let next = began + std::time::Duration::from_micros(1);
    for (since, before, expected) in [
        (None, Some(began), 0),
        (None, Some(next), 1),
        (Some(began), None, 1),
        (Some(next), None, 0),
        (Some(began), Some(next), 1),
    ] {
        let search = Search { since, before, ..Search::default() };
        let found = world.store.search(WORKSPACE, search, 9).await.unwrap();
        assert_eq!(found.runs.len(), expected, "{since:?} {before:?}");
    }
}

#[tokio::test]
async fn a_run_of_another_workspace_is_not_found() {
    let mut world = World::new().await;
    let run = world.started().await;
    let stranger = WorkspaceId(Uuid::from_u128(0x5151));
    assert!(world.store.find(stranger, run).await.unwrap().is_none());
    assert!(world.store.signal_cancel(stranger, run).await.is_err());
    assert!(matches!(
        world.store.find(WORKSPACE, run).await.unwrap(),
        Some(RunRecord::Live(live)) if live.signals == 0
    ));
}

#[tokio::test]
async fn timers_fire_when_they_are_due_and_not_before() {
    let mut world = World::new().await;
    let run = world.started().await;
    let later = now() + std::time::Duration::from_secs(3_600);
    world.flush(run, park(2, 0, Some(later))).await.unwrap();
    assert!(world.store.take_due(10).await.unwrap().is_empty());
    world.db.advance(std::time::Duration::from_secs(3_601)).await;
    assert_eq!(world.store.take_due(10).await.unwrap().len(), 1);
}

/// Woken by a signal long before its time: it would be woken again then.
#[tokio::test]
async fn a_run_that_is_woken_before_its_time_leaves_no_timer() {
    let mut world = World::new().await;
    let (run, other) = (world.started().await, world.started().await);
    let later = now() + std::time::Duration::from_secs(3_600);
    for run in [run, other] {
        world.flush(run, park(2, 0, Some(later))).await.unwrap();
    }
    world.store.signal_cancel(WORKSPACE, run).await.unwrap();
    assert_eq!(world.store.take_due(10).await.unwrap().len(), 1);
    let left = format!("SELECT count(*) FROM forge.timers WHERE run_id <> '{other}'");
    assert_eq!((world.number(&left).await, world.count("timers").await), (0, 1));
}
