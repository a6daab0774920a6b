//! The statements of triggers fit the schema.

#[tokio::test]
async fn every_statement_fits_the_schema() {
    let test = db::testing::database().await;
    db::prepare_all(&test.database, trigger::STATEMENTS).await.unwrap();
}
