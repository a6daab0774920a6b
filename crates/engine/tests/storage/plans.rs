//! The flush must go from its operations into the primary keys, however many runs are parked; a search
//! must walk an index.

use engine::store::PLANNER;

use crate::world::World;

/// How the planner is set on the flush's own lanes.
const FLUSH: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("jit", "off"),
];

/// The plan of a statement on a session with these settings, without its numbers.
async fn plan(world: &World, name: &str, settings: &[(&str, &str)]) -> String {
    let statement = engine::store::STATEMENTS
        .iter()
        .find(|statement| statement.name == name)
        .expect("the statement has its name");
    let client = world.db.superuser().await;
    for (name, value) in settings {
        client.batch_execute(&format!("SET {name} = {value}")).await.unwrap();
    }
    client.batch_execute("SET ROLE forge_engine").await.unwrap();
    let types: Vec<_> = statement.parameters.iter().map(|kind| pg_name(kind.name())).collect();
    let prepare = format!("PREPARE planned ({}) AS {}", types.join(", "), statement.text);
    client.batch_execute(&prepare).await.unwrap();
    let nulls = vec!["NULL"; types.len()].join(", ");
    let explain = format!("EXPLAIN (COSTS OFF) EXECUTE planned ({nulls})");
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
    let empty = plan(&world, "engine.flush", &FLUSH).await;
    let fill = "INSERT INTO forge.runs (workspace_id, id, workflow_id, version_id, state, epoch, \
                    segment, started_at) \
                SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), \
                    gen_random_uuid(), 'waiting', 1, current_date, now() \
                FROM generate_series(1, 30000); ANALYZE forge.runs";
    world.superuser.batch_execute(fill).await.unwrap();
    let full = plan(&world, "engine.flush", &FLUSH).await;
    assert_eq!(empty, full);
    for forbidden in ["Seq Scan", "Hash Join", "Merge Join", "runs_owner", "Bitmap"] {
        assert!(!full.contains(forbidden), "{forbidden} in\n{full}");
    }
    assert_eq!(full.matches("Index Scan using runs_pkey on runs").count(), 3, "{full}");
}

#[tokio::test]
async fn a_search_walks_an_index_in_the_order_of_ids_and_looks_at_what_it_meets() {
    let world = World::new().await;
    for (name, walk) in [
        ("engine.search_all_newest", "Merge Append"),
        ("engine.search_all_oldest", "Merge Append"),
        ("engine.search_label_newest", "Scan Backward using run_labels_label on run_labels"),
        ("engine.search_label_oldest", "Scan using run_labels_label on run_labels"),
        ("engine.search_failures_newest", "Scan Backward using run_failures_pkey on run_failures"),
        ("engine.search_failures_oldest", "Scan using run_failures_pkey on run_failures"),
    ] {
        let plan = plan(&world, name, &PLANNER).await;
        assert!(plan.contains(walk), "{name}\n{plan}");
        for forbidden in ["Seq Scan", "Hash Join", "Merge Join", "Bitmap", "Materialize"] {
            assert!(!plan.contains(forbidden), "{forbidden} in {name}\n{plan}");
        }
        // What was found is put in order in the end; the candidates come in order by themselves.
        let (_, walked) = plan.split_once("CTE seen").expect("the candidates come first");
        let walked = walked.split("Nested Loop").next().unwrap_or_default();
        assert!(!walked.contains("->  Sort"), "candidates are sorted in {name}\n{plan}");
    }
}
