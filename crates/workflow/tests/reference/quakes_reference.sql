-- The answer of examples/quakes-near-airports.yaml, worked out by PostgreSQL alone.
--
-- $1 text: the GeoJSON feed. $2 float8: least magnitude. $3 float8: radius in km (closed).
-- Table reference_airports (iata, name, city, state, country text; latitude, longitude float8):
-- airports.csv by COPY … (FORMAT csv, HEADER). Gives one jsonb {totals, groups}.
--
-- Great circle by the haversine formula on a sphere of 6371.0088 km, in double precision;
-- distances rounded to metres, halves up.
WITH quakes AS MATERIALIZED (
  SELECT event ->> 'id' AS id,
         (event #>> '{properties,mag}')::float8 AS magnitude,
         (event #>> '{geometry,coordinates,0}')::float8 AS longitude,
         (event #>> '{geometry,coordinates,1}')::float8 AS latitude
  FROM jsonb_array_elements($1::text::jsonb -> 'features') AS event
  WHERE event #>> '{properties,type}' = 'earthquake'
    AND (event #>> '{properties,mag}')::float8 >= $2
), distances AS (
  SELECT q.id, q.magnitude, a.iata, a.state,
         2 * 6371.0088 * asin(least(1, sqrt(
           power(sin(radians(a.latitude - q.latitude) / 2), 2)
           + cos(radians(q.latitude)) * cos(radians(a.latitude))
             * power(sin(radians(a.longitude - q.longitude) / 2), 2)))) AS km
  FROM quakes q CROSS JOIN reference_airports a
), near AS MATERIALIZED (
  SELECT *, CASE WHEN magnitude < 3 THEN 0 WHEN magnitude < 4.5 THEN 1
                 WHEN magnitude < 6 THEN 2 ELSE 3 END AS rank
  FROM distances WHERE km <= $3
), groups AS (
  SELECT state, rank, count(*) AS pairs, count(DISTINCT id) AS earthquakes,
         count(DISTINCT iata) AS airports, max(magnitude) AS max_magnitude,
         floor(min(km) * 1000 + 0.5) / 1000 AS nearest_km
  FROM near GROUP BY state, rank
)
SELECT jsonb_build_object(
  'totals', jsonb_build_object(
    'earthquakes', (SELECT count(*) FROM quakes),
    'airports', (SELECT count(*) FROM reference_airports),
    'pairs', (SELECT count(*) FROM near),
    'earthquakes_near', (SELECT count(DISTINCT id) FROM near),
    'airports_near', (SELECT count(DISTINCT iata) FROM near)),
  'groups', (
    SELECT coalesce(jsonb_agg(jsonb_build_object(
      'state', state,
      'severity', (ARRAY['minor', 'light', 'moderate', 'strong'])[rank + 1],
      'pairs', pairs, 'earthquakes', earthquakes, 'airports', airports,
      'max_magnitude', max_magnitude, 'nearest_km', nearest_km)
      ORDER BY state COLLATE "C", rank), '[]')
    FROM groups)) AS answer
