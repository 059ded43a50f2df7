-- Queries that the gate accepts and the engine runs: one a line. The names are those of the scene.
SELECT count(*) AS n FROM flights
SELECT origin, count(*) AS n FROM flights GROUP BY origin
select origin, count(*) as n from flights group by origin;
SELECT origin, count(*) AS n FROM flights GROUP BY origin -- a comment
SELECT /* a comment */ origin, count(*) AS n FROM flights GROUP BY 1
SELECT origin, destination, count(*) AS n FROM flights GROUP BY origin, destination
SELECT origin AS "from", count(*) AS n FROM flights GROUP BY "from"
SELECT count(*) AS n, sum(delay) AS total, avg(delay) AS mean FROM flights
SELECT count(delay) AS known, count(*) AS n FROM flights
SELECT count(DISTINCT origin) AS origins, count(*) AS n FROM flights
SELECT sum(DISTINCT distance) AS x, count(*) AS n FROM flights
SELECT min(delay) AS low, max(delay) AS high, count(*) AS n FROM flights
SELECT min(abs(delay) + distance) AS low, count(*) AS n FROM flights
SELECT max(CASE WHEN delay > 0 THEN delay ELSE 0 END) AS m, count(*) AS n FROM flights
SELECT max(coalesce(delay, 0)) AS m, count(*) AS n FROM flights
SELECT stddev(delay) AS s, variance(delay) AS v, count(*) AS n FROM flights
SELECT stddev_samp(fare) AS a, stddev_pop(fare) AS b, var_samp(fare) AS c, var_pop(fare) AS d, count(*) AS n FROM flights
SELECT stddev(delay * distance) AS s, count(*) AS n FROM flights
SELECT avg(fare) AS a, sum(fare) AS b, min(fare) AS c, max(fare) AS d, count(*) AS n FROM flights
SELECT date_trunc('day', date) AS cut, count(*) AS n FROM flights GROUP BY cut
SELECT date_trunc('hour', ms) AS hour, count(*) AS n FROM flights GROUP BY hour
SELECT date_trunc('month', day) AS month, count(*) AS n FROM flights GROUP BY 1
SELECT date_trunc('week', date) AS week, origin, count(*) AS n FROM flights GROUP BY 1, 2 HAVING count(*) > 1
SELECT year(date) AS y, month(date) AS m, count(*) AS n FROM flights GROUP BY y, m
SELECT quarter(date) AS q, day(date) AS d, count(*) AS n FROM flights GROUP BY q, d
SELECT dayofweek(date) AS a, dayofyear(date) AS b, isodow(date) AS c, count(*) AS n FROM flights GROUP BY 1, 2, 3
SELECT hour(date) AS a, minute(date) AS b, second(date) AS c, count(*) AS n FROM flights GROUP BY a, b, c
SELECT isoyear(date) AS y, week(date) AS w, yearweek(date) AS yw, count(*) AS n FROM flights GROUP BY 1, 2, 3
SELECT extract(hour FROM date) AS h, count(*) AS n FROM flights GROUP BY 1
SELECT extract(epoch FROM date) AS e, count(*) AS n FROM flights GROUP BY 1
SELECT date_part('dow', date) AS d, count(*) AS n FROM flights GROUP BY d
SELECT monthname(date) AS m, dayname(date) AS d, count(*) AS n FROM flights GROUP BY m, d
SELECT last_day(date) AS d, count(*) AS n FROM flights GROUP BY d
SELECT date::DATE AS d, count(*) AS n FROM flights GROUP BY d
SELECT date_diff('day', day, date::DATE) AS d, count(*) AS n FROM flights GROUP BY d
SELECT date_diff('minute', ms, date) AS d, count(*) AS n FROM flights GROUP BY d
SELECT date_sub('hour', ms::TIMESTAMP, date) AS d, count(*) AS n FROM flights GROUP BY d
SELECT avg(date_diff('second', ms, date)) AS d, count(*) AS n FROM flights
SELECT count(*) AS n FROM flights WHERE date >= TIMESTAMP '2001-01-01' - INTERVAL 1 DAY
SELECT count(*) AS n FROM flights WHERE date + INTERVAL 3 HOUR < TIMESTAMP '2031-01-01 00:00:00'
SELECT count(*) AS n FROM flights WHERE date BETWEEN '2001-01-01' AND '2031-01-01'
SELECT count(*) AS n FROM flights WHERE day > DATE '2001-01-01' AND day <= '2031-01-01'
SELECT count(*) AS n FROM flights WHERE TRY(ms > TIMESTAMP '2001-01-01')
SELECT count(*) AS n FROM flights WHERE TRY_CAST(ms AS TIMESTAMP) > TIMESTAMP '2001-01-01'
SELECT count(*) AS n FROM flights WHERE date > TIMESTAMP '2001-01-01' + to_days(3) + to_hours(2) - to_minutes(1)
SELECT count(*) AS n FROM flights WHERE date < TIMESTAMP '2031-01-01' - to_years(1) - to_months(1) - to_weeks(1) - to_seconds(1)
SELECT round(avg(delay), 2) AS mean, count(*) AS n FROM flights
SELECT ceil(avg(delay)) AS a, floor(avg(delay)) AS b, trunc(avg(delay)) AS c, sign(avg(delay)) AS d, count(*) AS n FROM flights
SELECT coalesce(sum(delay), 0) AS s, count(*) AS n FROM flights
SELECT nullif(sum(delay), 0) AS s, greatest(min(delay), 0) AS g, least(max(delay), 9) AS l, count(*) AS n FROM flights
SELECT sum(delay) / count(*) AS mean, count(*) AS n FROM flights
SELECT 100::DOUBLE * sum(delay) / count(*) AS share, count(*) AS n FROM flights
SELECT 100 * avg(CASE WHEN late THEN 1 ELSE 0 END) AS percent, count(*) AS n FROM flights
SELECT avg(delay) - avg(distance) AS d, count(*) AS n FROM flights
SELECT sum(delay)::DOUBLE * 1e5 AS x, count(*) AS n FROM flights
SELECT CAST(sum(delay) AS BIGINT) AS s, count(*) AS n FROM flights
SELECT sum(delay * distance) / sum(distance) AS weighted, count(*) AS n FROM flights
SELECT sum(delay + 1) AS a, sum(delay - 1) AS b, sum(-delay) AS c, sum(delay // 7) AS d, sum(delay % 7) AS e, count(*) AS n FROM flights
SELECT sum(fare * 1.5 + 0.25) AS x, avg(fare / distance) AS y, count(*) AS n FROM flights
SELECT sum(late::INTEGER) AS late, count(*) AS n FROM flights
SELECT sum(CASE WHEN delay > 15 THEN 1 ELSE 0 END) AS late, count(*) AS n FROM flights
SELECT sum(CASE origin WHEN 'SFO' THEN 1 WHEN 'LAX' THEN 2 END) AS x, count(*) AS n FROM flights
SELECT sum(TRY_CAST(origin AS INTEGER)) AS x, count(*) AS n FROM flights
SELECT sum(CAST(origin AS DECIMAL(18, 2))) AS x, count(*) AS n FROM flights
SELECT count(*) FILTER (WHERE delay > 15) AS late, count(*) AS n FROM flights
SELECT sum(delay) FILTER (WHERE origin = 'SFO') AS sfo, count(*) AS n FROM flights
SELECT avg(delay) FILTER (WHERE delay BETWEEN 0 AND 60 AND late) AS x, count(*) AS n FROM flights
SELECT delay // 15 AS slot, count(*) AS n FROM flights GROUP BY slot ORDER BY slot
SELECT delay * 2 AS g, delay * 2 + fare AS h, sum(delay + 1) AS s, count(*) AS n FROM flights GROUP BY delay * 2, fare
SELECT round(fare, -1) AS slot, count(*) AS n FROM flights GROUP BY slot
SELECT upper(origin) AS o, NOT (delay > 3 OR delay < 1) AS x, count(*) AS n FROM flights GROUP BY 1, 2
SELECT lower(trim(origin)) AS o, count(*) AS n FROM flights GROUP BY o
SELECT length(origin) AS l, count(*) AS n FROM flights GROUP BY l
SELECT CASE WHEN origin LIKE 'S%' THEN 'south' ELSE 'other' END AS o, count(*) AS n FROM flights GROUP BY o
SELECT delay IS NULL AS unknown, count(*) AS n FROM flights GROUP BY unknown
SELECT delay IS NOT NULL AND late AS x, count(*) AS n FROM flights GROUP BY x
SELECT origin IS DISTINCT FROM destination AS x, origin IS NOT DISTINCT FROM 'SFO' AS y, count(*) AS n FROM flights GROUP BY x, y
SELECT count(*) AS n FROM flights WHERE origin IN ('SFO', 'LAX')
SELECT count(*) AS n FROM flights WHERE origin NOT IN ('SFO', 'LAX') AND delay <> 3
SELECT count(*) AS n FROM flights WHERE delay BETWEEN 1 AND 9 AND origin LIKE 'S%'
SELECT count(*) AS n FROM flights WHERE origin NOT LIKE '%x%y%' AND destination LIKE '_A_'
SELECT count(*) AS n FROM flights WHERE starts_with(origin, 'S') AND NOT contains(origin, 'x')
SELECT count(*) AS n FROM flights WHERE NOT late AND (delay IS NULL OR delay < 3)
SELECT count(*) AS n FROM flights WHERE TRY(origin = 5)
SELECT count(*) AS n FROM flights WHERE fare > '3.5'
SELECT count(*) AS n FROM flights WHERE delay > distance AND fare < delay
SELECT origin, count(*) AS n FROM flights GROUP BY origin HAVING count(*) > 0
SELECT origin, count(*) AS n FROM flights GROUP BY origin HAVING sum(delay) > 10 AND avg(distance) < 1e6
SELECT origin, count(*) AS n FROM flights GROUP BY origin ORDER BY n DESC
SELECT origin, count(*) AS n FROM flights GROUP BY origin ORDER BY n DESC NULLS LAST, origin LIMIT 10
SELECT origin, count(*) AS n FROM flights GROUP BY origin LIMIT 10;
SELECT origin, count(*) AS n FROM flights GROUP BY origin ORDER BY sum(delay * 3) DESC
SELECT a.state, count(*) AS n FROM flights f JOIN airports a ON f.origin = a.iata GROUP BY 1
SELECT a.state AS state, avg(f.delay) AS mean, count(*) AS n FROM flights f LEFT JOIN airports a ON a.iata = f.origin AND a.latitude > 0 WHERE f.delay IS NOT NULL GROUP BY a.state ORDER BY mean DESC, state
SELECT a.state AS a, b.state AS b, count(*) AS n FROM flights f JOIN airports a ON f.origin = a.iata JOIN airports b ON f.destination = b.iata GROUP BY a.state, b.state
SELECT count(*) AS n FROM flights f LEFT JOIN airports a ON a.iata = f.origin AND f.delay > 3 AND a.latitude > f.fare
SELECT count(*) AS n FROM flights f SEMI JOIN airports a ON f.origin = a.iata
SELECT origin, count(*) AS n FROM flights f ANTI JOIN airports a ON f.origin = a.iata GROUP BY origin
SELECT count(*) AS n FROM (SELECT origin AS iata FROM flights) f SEMI JOIN airports USING (iata)
SELECT count(*) AS n FROM flights WHERE origin IN (SELECT iata FROM airports)
SELECT count(*) AS n FROM flights WHERE origin IN (SELECT iata FROM airports WHERE state = 'CA' AND latitude > 30)
SELECT count(*) AS n FROM flights WHERE origin NOT IN (SELECT iata FROM airports) AND delay > 3
SELECT count(*) AS n FROM flights f WHERE EXISTS (SELECT 1 FROM airports a WHERE a.iata = f.origin)
SELECT count(*) AS n FROM flights f WHERE NOT EXISTS (SELECT * FROM airports a WHERE a.iata = f.origin AND a.latitude > 30) AND f.delay > 0
SELECT f.origin, count(*) AS n FROM flights f WHERE EXISTS (SELECT 1 FROM airports a WHERE a.iata = f.origin) AND f.destination NOT IN (SELECT iata FROM airports) GROUP BY f.origin
SELECT s.state, count(*) AS n FROM (SELECT origin AS iata FROM flights) f JOIN airports s USING (iata) GROUP BY s.state
WITH late AS (SELECT * FROM flights WHERE delay > 15) SELECT count(*) AS n FROM late
WITH late AS (SELECT * FROM flights WHERE delay > 15), far AS (SELECT * FROM late WHERE distance > 3) SELECT origin, count(*) AS n FROM far GROUP BY origin
WITH byorigin AS (SELECT origin, avg(delay) AS mean FROM flights GROUP BY origin) SELECT f.origin, avg(f.delay - b.mean) AS x, count(*) AS n FROM flights f JOIN byorigin b ON f.origin = b.origin GROUP BY f.origin
WITH perday AS (SELECT date_trunc('day', date) AS day, count(*) AS flights FROM flights GROUP BY 1) SELECT avg(flights) AS mean, count(*) AS n FROM perday
SELECT max(d) AS m, count(*) AS n FROM (SELECT delay * 2 AS d FROM flights) AS twice
SELECT sum(x) AS total, count(*) AS n FROM (SELECT origin, count(*) AS x FROM flights GROUP BY origin) AS y
SELECT sum(x::DOUBLE) AS total, count(*) AS n FROM (SELECT origin, sum(delay) AS x FROM flights GROUP BY origin) AS y
SELECT slot, avg(x) AS mean, count(*) AS n FROM (SELECT delay // 15 AS slot, distance + 1 AS x FROM flights WHERE delay >= 0) AS y GROUP BY slot
SELECT o, count(*) AS n FROM (SELECT upper(origin) AS o FROM (SELECT origin FROM flights WHERE late) AS x) AS y GROUP BY o
SELECT count(*) AS n FROM (SELECT origin, count(*) AS c FROM flights GROUP BY origin HAVING count(*) > 1) AS x WHERE c < 100
SELECT a.state, count(*) AS n FROM (SELECT origin, sum(fare) AS f FROM flights GROUP BY origin) AS x JOIN airports a ON x.origin = a.iata GROUP BY a.state
SELECT sum(delay::DECIMAL(24, 0)) AS s, avg(delay::DECIMAL(24, 2)) AS a, count(*) AS n FROM flights
SELECT sum(x::DECIMAL(24, 0)) AS y, count(*) AS n FROM (SELECT sum(delay) AS x FROM flights GROUP BY origin) AS t
SELECT sum(CASE WHEN origin = 'SFO' THEN length(upper(destination)) ELSE 0 END) AS x, count(*) AS n FROM flights
