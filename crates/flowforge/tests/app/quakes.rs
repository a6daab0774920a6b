//! The main example by a real HTTP call, against what PostgreSQL works out from the same files alone.

use futures::SinkExt as _;
use serde_json::{Value, json};
use testkit::TestApp;

const SQL: &str = include_str!("../../../workflow/tests/reference/quakes_reference.sql");

/// The two files, as the workflow and as PostgreSQL see them.
struct Data {
    earthquakes: String,
    airports: String,
}

impl Data {
    fn of_examples() -> Self {
        let read = |name| checkout::text(format!("examples/data/{name}"));
        Self { earthquakes: read("earthquakes.json"), airports: read("airports.csv") }
    }

    /// Publishes the example over these files.
    async fn publish(&self, app: &TestApp) {
        app.write_file("data/earthquakes.json", &self.earthquakes);
        app.write_file("data/airports.csv", &self.airports);
        app.publish(&checkout::text("examples/quakes-near-airports.yaml")).await;
    }

    /// `{totals, groups}` as PostgreSQL works it out.
    async fn expected(&self, app: &TestApp, least: f64, radius_km: f64) -> Value {
        let sql = app.sql().await;
        let table = "CREATE TEMP TABLE reference_airports (iata text, name text, city text, \
                     state text, country text, latitude float8, longitude float8)";
        sql.batch_execute(table).await.unwrap();
        let copy = "COPY reference_airports FROM STDIN (FORMAT csv, HEADER)";
        let sink = sql.copy_in::<_, bytes::Bytes>(copy).await.unwrap();
        let mut sink = std::pin::pin!(sink);
        sink.send(self.airports.clone().into()).await.unwrap();
        sink.close().await.unwrap();
        let row = sql.query_one(SQL, &[&self.earthquakes, &least, &radius_km]).await.unwrap();
        row.get("answer")
    }
}

/// A JSON value with every number as a double, so that 4 and 4.0 are the same.
fn loosely(value: &Value) -> Value {
    match value {
        Value::Number(number) => Value::from(number.as_f64().unwrap()),
        Value::Array(list) => list.iter().map(loosely).collect(),
        Value::Object(object) => {
            object.iter().map(|(key, value)| (key.clone(), loosely(value))).collect()
        }
        value => value.clone(),
    }
}

/// Answer, table and report of one request say what PostgreSQL says.
async fn compare(app: &TestApp, data: &Data, least: f64, radius_km: f64) -> Value {
    let case = format!("magnitude {least}, {radius_km} km");
    let request = json!({ "min_magnitude": least, "radius_km": radius_km });
    let answer = app.hook("quakes", &request).await.expect(200).json;
    let expected = data.expected(app, least, radius_km).await;
    assert_eq!(loosely(&answer["totals"]), loosely(&expected["totals"]), "{case}");
    assert_eq!(loosely(&answer["groups"]), loosely(&expected["groups"]), "{case}");

    let groups = expected["groups"].as_array().unwrap();
    let table = app.read_file("reports/quakes-near-airports.csv");
    let mut lines = table.lines();
    let columns: Vec<_> = lines.next().unwrap().split(',').collect();
    let rows: Vec<Value> = lines
        .map(|line| {
            let cells = columns.iter().zip(line.split(','));
            cells.map(|(name, cell)| ((*name).to_owned(), number_or_text(cell))).collect()
        })
        .collect();
    assert_eq!(loosely(&Value::Array(rows)), loosely(&expected["groups"]), "{case}");

    let report = app.read_file("reports/quakes-near-airports.html");
    assert!(report.starts_with("<!doctype html>") && report.ends_with("</html>\n"), "{case}");
    assert_eq!(report.matches("<tr>").count(), groups.len() + 1, "{case}");
    for group in groups {
        let severity = group["severity"].as_str().unwrap();
        let row = format!("<td>{}</td><td>{severity}</td>", group["state"].as_str().unwrap());
        assert!(report.contains(&row), "{case}: {row}");
    }
    let total = |name: &str| expected["totals"][name].as_u64().unwrap();
    let circles = report.matches("<circle").count() as u64;
    assert_eq!(circles, total("earthquakes_near") + total("airports_near"), "{case}");
    expected
}

fn number_or_text(cell: &str) -> Value {
    cell.parse::<f64>().map_or_else(|_| Value::from(cell), Value::from)
}

#[testkit::test("server.answer_timeout" = "2m")]
async fn quakes_near_airports_agree_with_postgresql(app: &mut TestApp) {
    let data = Data::of_examples();
    data.publish(app).await;
    for (least, radius_km) in [(4.0, 200.0), (2.5, 100.0), (4.5, 500.0), (0.0, 30.0), (9.0, 100.0)]
    {
        compare(app, &data, least, radius_km).await;
    }
}

/// An earthquake on the equator and airports at the very radius, a hair beyond it, and far away.
#[testkit::test]
async fn an_airport_at_the_very_radius_is_near(app: &mut TestApp) {
    let earthquake = json!({ "features": [ {
        "id": "q", "properties": { "type": "earthquake", "mag": 5.0, "place": "sea" },
        "geometry": { "coordinates": [0.0, 0.0, 10.0] },
    } ] });
    let airports = "iata,name,city,state,country,latitude,longitude\n\
                    AAA,At,At,AK,USA,0,1\n\
                    BBB,Beyond,Beyond,BB,USA,0,1.0000000001\n\
                    CCC,Far,Far,CA,USA,50,100\n";
    let data = Data { earthquakes: earthquake.to_string(), airports: airports.to_owned() };
    data.publish(app).await;
    // A degree of the sphere's equator, as the formula gives it in double precision.
    let degree = 2.0 * 6371.0088 * (0.5_f64.to_radians().sin().powi(2)).sqrt().asin();
    let at = compare(app, &data, 2.5, degree).await;
    assert_eq!(at["totals"]["pairs"], 1, "{at}");
    let short = compare(app, &data, 2.5, degree.next_down()).await;
    assert_eq!(short["totals"]["pairs"], 0, "{short}");
}
