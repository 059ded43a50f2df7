import { datasetTopic, SEAL_HEADER } from '@strongroom/protocol/record';
import type { RecordLog } from '@strongroom/record-log/log';
import type { Agreement } from '../deployment/organisations.ts';
import { heading, say } from '../deployment/terminal.ts';
import { readAll } from './adversary.ts';

/** What the Kafka operator has: topic names, sizes, signed headers, and bytes like noise. */
export async function showOperatorsView(log: RecordLog, agreement: Agreement): Promise<void> {
  heading('What the Kafka operator sees');
  const dataset = agreement.contract.datasets.find((each) => each.id === 'airports');
  if (!dataset) throw new Error('the contract has no airports');
  const topic = datasetTopic(agreement.contractId, dataset.id);
  const entry = (await readAll(log, topic)).find((each) => each.value.length > 0);
  if (!entry) throw new Error('there is no batch to look at');
  say(`topic   ${topic.slice(0, 12)}….${dataset.id}, offset ${entry.offset}`);
  for (const [name, value] of Object.entries(entry.headers)) {
    say(`header  ${name}: ${value.length > 60 ? `${value.slice(0, 60)}…` : value}`);
  }
  const payload = entry.headers[SEAL_HEADER]?.split('.')[1] ?? '';
  const seal: Record<string, unknown> = JSON.parse(Buffer.from(payload, 'base64url').toString());
  say(`signed  rows ${seal['rows']}, sequence ${seal['sequence']}, no column and no value`);
  say(`value   ${entry.value.length} bytes, ${entropyOf(entry.value).toFixed(3)} of 8 bits a byte`);
  for (let at = 0; at < 48; at += 16) {
    say(`        ${Buffer.from(entry.value.subarray(at, at + 16)).toString('hex')}`);
  }
}

/** Shannon entropy of the byte histogram, bits a byte. */
function entropyOf(bytes: Uint8Array): number {
  const counts = new Array<number>(256).fill(0);
  for (const byte of bytes) counts[byte] = (counts[byte] ?? 0) + 1;
  return counts
    .filter((count) => count > 0)
    .reduce((sum, count) => sum - (count / bytes.length) * Math.log2(count / bytes.length), 0);
}
