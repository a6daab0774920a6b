//! The flush must go from its operations into the primary keys, however many runs are parked.

use crate::world::World;

/// The plan of the flush on the session it uses, without its numbers.
async fn plan(world: &World) -> String {
    let statement = engine::store::STATEMENTS
        .iter()
        .find(|statement| statement.name == "engine.flush")
        .expect("the flush has its name");
    let client = world.db.superuser().await;
    let settings = "SET plan_cache_mode = force_generic_plan; SET enable_seqscan = off; \
                    SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off; \
                    SET ROLE forge_engine";
    client.batch_execute(settings).await.unwrap();
    let types: Vec<_> = statement.parameters.iter().map(|kind| pg_name(kind.name())).collect();
    let prepare = format!("PREPARE flush ({}) AS {}", types.join(", "), statement.text);
    client.batch_execute(&prepare).await.unwrap();
    let nulls = vec!["NULL"; types.len()].join(", ");
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE flush ({nulls})");
    let rows = client.query(&explain, &[]).await.unwrap();
    rows.iter().map(|row| row.get::<_, String>(0)).collect::<Vec<_>>().join("\n")
}

fn pg_name(name: &str) -> String {
    match name.strip_prefix('_') {
        Some("char") => "\"char\"[]".to_owned(),
        Some(element) => format!("{element}[]"),
        None => name.to_owned(),
    }
}

#[tokio::test]
async fn the_flush_has_the_same_plan_with_no_run_and_with_many_parked() {
    let world = World::new().await;
    let empty = plan(&world).await;
    let fill = "INSERT INTO forge.runs (workspace_id, id, workflow_id, version_id, state, epoch, \
                    segment, started_at) \
                SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), \
                    gen_random_uuid(), 'waiting', 1, current_date, now() \
                FROM generate_series(1, 30000); ANALYZE forge.runs";
    world.superuser.batch_execute(fill).await.unwrap();
    let full = plan(&world).await;
    assert_eq!(empty, full);
    for forbidden in ["Seq Scan", "Hash Join", "Merge Join", "runs_owner", "Bitmap"] {
        assert!(!full.contains(forbidden), "{forbidden} in\n{full}");
    }
    assert_eq!(full.matches("Index Scan using runs_pkey on runs").count(), 3, "{full}");
}
