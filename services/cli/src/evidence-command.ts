import {
  addRevocationOptions,
  openRevocation,
  type RevocationSettings,
  readRevocationSettings,
} from '@strongroom/attestation/platforms/revocation';
import { StrongroomError } from '@strongroom/protocol/errors';
import { connectKafkaLog } from '@strongroom/record-log/kafka-log';
import { readKafkaConnection } from '@strongroom/record-log/read-kafka-connection';
import { systemClock } from '@strongroom/runtime/clock';
import { readJsonFile } from '@strongroom/runtime/files';
import { verifyContract } from '@strongroom/sealing/verify';
import type { Command } from 'commander';
import { rootsFor } from './evidence-platform.ts';
import { evidenceFacts, evidenceLines } from './evidence-text.ts';
import { challengeOf, firstAccepted, type WayToWorker } from './first-answer.ts';
import { codeOfRefusal, type Question } from './judge-answer.ts';
import { leafCommand, printResult } from './leaf-command.ts';
import { brokersOption, kafkaConfigOption, seconds } from './option-values.ts';

const TIMEOUT_SECONDS = '30';

/** `strongroom evidence`: where is the data now, and is it what we agreed on? */
export function addEvidenceCommand(program: Command): void {
  const command = leafCommand(
    program,
    'evidence',
    'ask the running worker for fresh evidence and judge it; exit code 0 only if it is as agreed',
    'strongroom evidence --contract contract.json --brokers localhost:9092',
    { exits: { 69: 'no worker answered', 77: 'it is not as agreed' } },
  )
    .requiredOption('--contract <file>', 'signed contract')
    .option('--nonce <base64url>', '32 bytes, never used before; random ones by default')
    .addOption(brokersOption('ask through Kafka, HOST:PORT,…'))
    .addOption(kafkaConfigOption())
    .option('--namespace <name>', 'prefix of the topics', '')
    .option('--worker <url>', "ask the worker's own HTTP address instead")
    .option(
      '--timeout <seconds>',
      'how long to wait for an answer',
      seconds,
      seconds(TIMEOUT_SECONDS),
    )
    .option('--simulated-roots <file>', 'public roots of a SIMULATED platform, or its folder')
    .action(askForEvidence);
  addRevocationOptions(command);
}

interface EvidenceOptions extends RevocationSettings {
  readonly contract: string;
  readonly nonce?: string;
  readonly brokers?: string;
  readonly kafkaConfig?: string;
  readonly namespace: string;
  readonly worker?: string;
  readonly timeout: number;
  readonly simulatedRoots?: string;
  readonly json?: boolean;
}

async function askForEvidence(options: EvidenceOptions): Promise<void> {
  const { contract, contractId } = await verifyContract(await readJsonFile(options.contract));
  const roots = rootsFor(contract, options.simulatedRoots);
  const lists = await openRevocation(readRevocationSettings(options), {
    ...{ roots, clock: systemClock },
  });
  const challenge = challengeOf(contractId, options.nonce);
  const question: Question = {
    ...{ contract, contractId, nonce: challenge.nonce, roots, clock: systemClock },
    ...lists,
    ...{ askedAt: systemClock.monotonic(), ageMsMax: options.timeout * 1_000 },
  };
  const { judgement } = await firstAccepted(challenge, question, wayOf(options));
  const facts = evidenceFacts(judgement, question);
  printResult(options.json, facts, evidenceLines(facts).join('\n'));
  if (judgement.accepted) return;
  const mismatches = judgement.mismatches.map(({ claim }) => claim);
  throw new StrongroomError(codeOfRefusal(judgement.mismatches), { mismatches });
}

function wayOf({ worker, brokers, kafkaConfig, namespace }: EvidenceOptions): WayToWorker {
  if (worker !== undefined) return { worker };
  const place = { brokers, kafkaConfig };
  const connect = async () =>
    connectKafkaLog(await readKafkaConnection(place, 'strongroom-evidence'));
  return { connect, namespace };
}
