import process from 'node:process';
import { openProducer } from '@strongroom/producer';

/** Publishes what a clinic's own program counts, without a file in between. */

const { CONTRACT, BROKERS, IDENTITY, STATE, NAMESPACE } = process.env;
if (!CONTRACT || !BROKERS || !IDENTITY || !STATE) throw new Error('see README.md for what is set');

const NOON = Date.parse('2026-03-02T12:00:00Z');
const MINUTE_MS = 60_000;

/** Stands for your own: a cursor, a queue, a generator. */
async function* visits() {
  for (let minute = 0; minute < 120; minute += 1) {
    yield { at: new Date(NOON + minute * MINUTE_MS), place: `place-${minute % 2}`, weight: 1n };
  }
}

const clinic = await openProducer({
  contract: CONTRACT,
  brokers: BROKERS,
  dataset: 'visits-north',
  identity: IDENTITY,
  state: STATE,
  ...(NAMESPACE ? { namespace: NAMESPACE } : {}),
});
const summary = await clinic.publish(visits(), { final: true });
await clinic.close();
console.log(JSON.stringify(summary));
