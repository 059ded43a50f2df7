import path from 'node:path';
import { DuckDBInstance } from '@duckdb/node-api';
import { type ColumnContract, type Contract, parseContract } from '@strongroom/protocol/contract';
import type { Shipment } from '../deployment/pipeline.ts';
import {
  type DeploymentPlan,
  enclaveOf,
  ownedBy,
  type PublicParts,
  partiesOf,
} from '../deployment/plan.ts';

/**
 * Orders of a shop: six columns, two of them text of 20 and 200 values, in hours of event time. One
 * owner, one analyst, one query of 4,000 groups an hour.
 */

const OWNER = 'shop';
const ANALYST = 'office';
export const ORDER_HOUR_MS = 3_600_000;
export const ORDER_HOURS = 24;

export const ORDER_COLUMNS: readonly ColumnContract[] = [
  { name: 'id', type: 'int64', nullable: false },
  { name: 'qty', type: 'int64', nullable: false },
  { name: 'price', type: 'float64', nullable: true },
  { name: 'region', type: 'utf8', nullable: false },
  { name: 'category', type: 'utf8', nullable: false },
  { name: 'at', type: 'timestamp-ms', nullable: false },
];

const SQL = `SELECT region, category, count(*) AS orders, sum(qty) AS qty, avg(price) AS price
FROM orders GROUP BY region, category`;

export const ORDERS_PLAN: DeploymentPlan = {
  owners: [OWNER],
  analysts: [ANALYST],
  contract: (parts) => ordersContract(parts),
};

function ordersContract(parts: PublicParts): Contract {
  return parseContract({
    strongroom: 'contract/v1',
    title: 'Orders',
    purpose: 'Orders by hour, region and category',
    version: 1,
    parties: partiesOf(ORDERS_PLAN, parts),
    datasets: [
      {
        id: 'orders',
        ...ownedBy(parts, OWNER),
        relation: 'orders',
        columns: ORDER_COLUMNS,
        eventTime: 'at',
      },
    ],
    queries: [ordersQuery(SQL, ANALYST)],
    enclave: enclaveOf(parts),
  });
}

/** Of every hour, by region and category, whatever it adds up. */
export function ordersQuery(sql: string, reader: string) {
  return {
    id: 'by-category',
    sql,
    relations: ['orders'],
    window: { kind: 'tumbling', sizeMs: ORDER_HOUR_MS },
    latenessMs: 0,
    readers: [reader],
    disclosure: { minimumGroupRows: 1, groupRowsColumn: 'orders' },
  };
}

/** Writes the owner's file, in the order of time. */
export async function writeOrders(folder: string, rows: number): Promise<Shipment> {
  const source = path.join(folder, 'orders.parquet');
  const instance = await DuckDBInstance.create(':memory:');
  const connection = await instance.connect();
  try {
    await connection.run(`COPY (SELECT
        i::BIGINT AS id,
        (hash(i) % 100)::BIGINT AS qty,
        CASE WHEN i % 100 <> 0 THEN (hash(i + 1) % 100000)::DOUBLE / 100 END AS price,
        'region-' || (hash(i + 2) % 20) AS region,
        'category-' || (hash(i + 3) % 200) AS category,
        epoch_ms((1700000000000 // ${ORDER_HOUR_MS}) * ${ORDER_HOUR_MS}
          + (i * ${ORDER_HOURS * ORDER_HOUR_MS} // ${rows})::BIGINT)::TIMESTAMP_MS AS at
      FROM range(${rows}) r(i) ORDER BY i) TO '${source}' (FORMAT parquet)`);
  } finally {
    connection.closeSync();
    instance.closeSync();
  }
  const mapping = ORDER_COLUMNS.map(({ name }) => `${name}=${name}`).join(',');
  return { dataset: 'orders', owner: OWNER, source, columns: mapping };
}
