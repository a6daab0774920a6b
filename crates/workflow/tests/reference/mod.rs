//! The main example's answer, worked out by PostgreSQL alone.

use db::Client;
use db::testing::TestDatabase;
use futures::SinkExt;
use kernel::Value;

const QUERY: &str = include_str!("quakes_reference.sql");

/// A connection that has the airports at hand.
pub(crate) struct Reference {
    client: Client,
    feed: String,
}

impl Reference {
    pub(crate) async fn load(test: &TestDatabase) -> Self {
        let client = test.superuser().await;
        client
            .batch_execute(
                "CREATE TEMP TABLE reference_airports (iata text, name text, city text,
                 state text, country text, latitude float8, longitude float8)",
            )
            .await
            .unwrap();
        let copy = "COPY reference_airports FROM STDIN (FORMAT csv, HEADER)";
        let sink = client.copy_in::<_, bytes::Bytes>(copy).await.unwrap();
        let mut sink = std::pin::pin!(sink);
        sink.send(checkout::text("examples/data/airports.csv").into()).await.unwrap();
        sink.close().await.unwrap();
        let feed = checkout::text("examples/data/earthquakes.json");
        Self { client, feed }
    }

    /// `{totals, groups}`
    pub(crate) async fn answer(&self, least: f64, radius_km: f64) -> Value {
        let row = self.client.query_one(QUERY, &[&self.feed, &least, &radius_km]).await.unwrap();
        row.get("answer")
    }
}
