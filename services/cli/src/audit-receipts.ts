import { aggregatesTopic, RECORD_TYPES } from '@strongroom/protocol/record';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import type { RecordLog } from '@strongroom/record-log/log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { readJsonFile } from '@strongroom/runtime/files';
import { verifyContractReceipt } from '@strongroom/sealing/audit';
import { verifyContract } from '@strongroom/sealing/verify';
import type { Command } from 'commander';
import { leafCommand, printNotice, printResult } from './leaf-command.ts';
import { brokersOption, kafkaConfigOption } from './option-values.ts';

interface ReceiptsOptions {
  readonly contract: string;
  readonly brokers?: string;
  readonly kafkaConfig?: string;
  readonly namespace: string;
  readonly json?: boolean;
}

export function addReceiptsCommand(audit: Command): void {
  leafCommand(
    audit,
    'receipts',
    'print the receipts that workers published on the log, one a line, those that verify',
    'strongroom audit receipts --contract contract.json --brokers localhost:9092 > receipts.ndjson',
  )
    .requiredOption('--contract <file>', 'signed contract')
    .addOption(brokersOption())
    .addOption(kafkaConfigOption())
    .option('--namespace <name>', 'prefix of the topics', '')
    .action(printReceipts);
}

async function printReceipts(options: ReceiptsOptions): Promise<void> {
  const { contract, contractId } = await verifyContract(await readJsonFile(options.contract));
  const log = await connectKafkaLog(await readKafkaConnection(options, 'strongroom-audit'));
  try {
    const values = await receiptsOn(log, aggregatesTopic(contractId, options.namespace));
    const verified = [];
    for (const value of values) {
      const isGood = await verifyContractReceipt(value, contract).then(
        () => true,
        () => false,
      );
      if (isGood) verified.push(value);
    }
    const refused = values.length - verified.length;
    if (refused > 0) printNotice(`${refused} records are no receipts of an owner`);
    const lines = verified.map((receipt) => JSON.stringify(receipt)).join('\n');
    printResult(options.json, verified, lines);
  } finally {
    await log.close();
  }
}

async function receiptsOn(log: RecordLog, topic: string): Promise<unknown[]> {
  const values: unknown[] = [];
  for await (const entries of log.read([{ topic, offset: 0 }], { untilEnd: true })) {
    for (const { headers, value } of entries) {
      if (headers['ce_type'] === RECORD_TYPES.receipt) values.push(parseJson(value));
    }
  }
  return values;
}

function parseJson(value: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(value));
  } catch {
    return undefined;
  }
}
