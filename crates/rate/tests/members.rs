//! Members that share budgets through one database.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use db::testing::database;
use jiff::Timestamp;
use kernel::clock::SeededDice;
use kernel::{Clock, Dice};
use rate::{Budget, Exchange, Rates, STATEMENTS, Settings, Subject};
use uuid::Uuid;

/// A clock that is set by hand.
#[derive(Default)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::from_micros(self.0.load(Ordering::Relaxed))
    }
}

fn caller() -> Subject {
    Subject::address(IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)))
}

struct Cluster {
    clock: Arc<Hands>,
    dice: SeededDice,
    members: Vec<(Rates, Exchange)>,
}

impl Cluster {
    /// Sends requests for so many seconds, to each member about as many a second as it says; how many
    /// each let through.
    async fn send(&self, seconds: u64, per_second: &[u32]) -> Vec<u32> {
        let mut allowed = vec![0; self.members.len()];
        for _ in 0..seconds {
            let start = self.clock.0.load(Ordering::Relaxed);
            for millisecond in 0..1_000_u64 {
                self.clock.0.store(start + millisecond * 1_000, Ordering::Relaxed);
                for (index, (rates, _)) in self.members.iter().enumerate() {
                    // Independent arrivals, as of many callers, whose number wavers.
                    if self.dice.next_u64() % 1_000 < u64::from(per_second[index]) {
                        let verdict = rates.take(caller()).expect("addresses have a budget");
                        allowed[index] += u32::from(verdict.allowed);
                    }
                }
            }
            self.clock.0.store(start + 1_000_000, Ordering::Relaxed);
            for (rates, exchange) in &self.members {
                let told = rates.exchange(exchange, Duration::from_secs(1)).await;
                told.expect("the database answers");
            }
        }
        allowed
    }
}

/// Members with a budget of 200 requests a second, 200 of them at once.
async fn cluster(test: &db::testing::TestDatabase, members: u128) -> Cluster {
    let clock = Arc::new(Hands::default());
    let budget = Budget { per_minute: 12_000, burst: Duration::from_secs(1) };
    let settings = Settings { address: Some(budget), ..Settings::default() };
    let members = (1..=members).map(|number| {
        let clock: Arc<dyn Clock> = clock.clone();
        let exchange = Exchange::new(test.database.clone(), Uuid::from_u128(number));
        (Rates::new(settings, clock), exchange)
    });
    Cluster { members: members.collect(), clock, dice: SeededDice::new(7) }
}

#[tokio::test]
async fn three_members_at_steady_load_let_through_what_one_may() {
    let test = database().await;
    let cluster = cluster(&test, 3).await;
    // Until everybody has heard of everybody, and the burst is used up.
    cluster.send(4, &[500, 250, 50]).await;
    let allowed = cluster.send(20, &[500, 250, 50]).await;
    let (sum, budget) = (allowed.iter().sum::<u32>(), 20 * 200);
    assert!(sum * 100 <= budget * 105, "{allowed:?} is more than 105 % of {budget}");
    assert!(sum * 100 >= budget * 95, "{allowed:?} is less than 95 % of {budget}");
    // Each gives out the part that its demand is of the whole.
    assert!((2_250..2_750).contains(&allowed[0]), "{allowed:?}");
    assert!((1_100..1_400).contains(&allowed[1]), "{allowed:?}");
}

#[tokio::test]
async fn a_budget_moves_to_where_it_is_asked_for() {
    let test = database().await;
    let cluster = cluster(&test, 3).await;
    cluster.send(4, &[500, 500, 500]).await;
    cluster.send(8, &[600, 0, 0]).await;
    let allowed = cluster.send(10, &[600, 0, 0]).await;
    assert!((1_900..=2_100).contains(&allowed[0]), "{allowed:?}");
}

#[tokio::test]
async fn a_member_that_is_gone_leaves_its_part_to_the_others() {
    let test = database().await;
    let mut cluster = cluster(&test, 2).await;
    cluster.send(4, &[400, 400]).await;
    cluster.members.pop();
    test.advance(Duration::from_secs(6)).await;
    cluster.send(2, &[400]).await;
    let allowed = cluster.send(10, &[400]).await;
    assert!((1_900..=2_100).contains(&allowed[0]), "{allowed:?}");
}

#[tokio::test]
async fn every_statement_prepares_on_the_migrated_schema() {
    let test = database().await;
    db::prepare_all(&test.database, STATEMENTS).await.unwrap();
}
