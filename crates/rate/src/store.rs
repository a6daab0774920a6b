//! All SQL of rates, and the task that exchanges what members were asked for.

use std::time::Duration;

use db::{Columns as _, Database, Error, LaneSettings, Statement, sql};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Rates;
use crate::share::Demand;
use crate::subject::Subject;

/// Writes our row and reads those of members that wrote theirs lately. A row that nobody renews is
/// removed by whoever comes by.
const EXCHANGE: Statement = sql!(
    "rate.exchange",
    reads(rates) writes(rates[member_id = $1]),
    (UUID, INT2_ARRAY, UUID_ARRAY, FLOAT4_ARRAY),
    "WITH ours AS (
       INSERT INTO forge.rates AS r (member_id, told_at, scopes, subjects, demands)
       VALUES ($1, (SELECT forge.now()), $2, $3, $4)
       ON CONFLICT (member_id) DO UPDATE
       SET told_at = excluded.told_at, scopes = excluded.scopes, subjects = excluded.subjects,
           demands = excluded.demands
     ), gone AS (
       DELETE FROM forge.rates WHERE ctid = ANY (ARRAY(
         SELECT ctid FROM forge.rates
         WHERE member_id <> $1 AND told_at < (SELECT forge.now()) - interval '10 minutes'
         LIMIT 10 FOR UPDATE SKIP LOCKED))
     )
     SELECT scopes, subjects, demands FROM forge.rates
     WHERE member_id <> $1 AND told_at > (SELECT forge.now()) - interval '5 seconds'"
);

/// Every statement of this crate.
pub const STATEMENTS: &[&Statement] = &[&EXCHANGE];

/// Where members tell each other what they were asked for.
#[derive(Clone)]
pub struct Exchange {
    lane: db::Lane,
    member: Uuid,
}

impl Exchange {
    /// The place of this member.
    pub fn new(database: Database, member: Uuid) -> Self {
        let settings = LaneSettings { name: "rate".to_owned(), ..LaneSettings::default() };
        Self { lane: db::Lane::new(database, settings), member }
    }

    /// Tells what we were asked for; what the others told.
    async fn tell(&self, demands: &[Demand]) -> Result<Vec<Vec<Demand>>, Error> {
        let (mut scopes, mut ids, mut rates) = (Vec::new(), Vec::new(), Vec::new());
        for (subject, demand) in demands {
            let (scope, id) = subject.stored();
            scopes.push(scope);
            ids.push(id);
            rates.push(*demand);
        }
        let rows = self.lane.query(&EXCHANGE, &[&self.member, &scopes, &ids, &rates]).await?;
        let mut others = Vec::new();
        for row in rows {
            let scopes: Vec<i16> = row.column("scopes")?;
            let ids: Vec<Uuid> = row.column("subjects")?;
            let rates: Vec<f32> = row.column("demands")?;
            let told = scopes.into_iter().zip(ids).zip(rates);
            let told =
                told.filter_map(|((scope, id), rate)| Some((Subject::read(scope, id)?, rate)));
            others.push(told.collect());
        }
        Ok(others)
    }
}

impl Rates {
    /// Exchanges demands once: what was asked for in the `elapsed` time since the last exchange.
    ///
    /// # Errors
    /// `database.unavailable`; the parts stay as they were.
    pub async fn exchange(&self, with: &Exchange, elapsed: Duration) -> Result<(), Error> {
        let ours = self.0.table.demands(elapsed);
        let others = with.tell(&ours).await?;
        self.0.table.share(&ours, &others, self.0.clock.monotonic());
        Ok(())
    }

    /// Exchanges demands every second until `stop` fires.
    pub async fn keep_exchanging(&self, with: Exchange, stop: CancellationToken) {
        let mut tick = tokio::time::interval(Self::EXCHANGE_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut last = self.0.clock.monotonic();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                _ = tick.tick() => {}
            }
            let now = self.0.clock.monotonic();
            let elapsed = now.saturating_sub(std::mem::replace(&mut last, now));
            if let Err(error) = self.exchange(&with, elapsed).await {
                tracing::debug!(error = %error, "rates could not be exchanged");
            }
        }
    }
}
