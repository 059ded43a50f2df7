/**
 * Everything that `strongroom doctor` looks at: a stable code, what is looked at, and how to mend
 * it. docs/cli.md is made from this table, and programs match on the codes.
 */

export const GROUPS = ['machine', 'files', 'contract', 'kafka', 'services', 'clocks'] as const;
export type Group = (typeof GROUPS)[number];

interface Check {
  readonly group: Group;
  readonly looks: string;
  readonly mend: string;
}

const inGroup =
  (group: Group) =>
  (looks: string, mend: string): Check => ({ group, looks, mend });
const machine = inGroup('machine');
const files = inGroup('files');
const contract = inGroup('contract');
const kafka = inGroup('kafka');
const services = inGroup('services');
const clocks = inGroup('clocks');

export const CHECKS = {
  'node-version': machine(
    'Node is new enough',
    'Install Node 24, or run `npm run strongroom` in the repository, which brings it.',
  ),
  'disk-space': machine(
    'there is room where state is kept',
    'Free space: a producer whose disk is full publishes nothing, and goes on when there is room.',
  ),
  'local-kafka': machine(
    'Java 17 and Maven, where `strongroom kafka start` is to run a Kafka',
    'Install Java 17 and Maven 3, or name brokers with --brokers or KAFKA_BROKERS.',
  ),
  container: machine(
    'a Docker engine, where docker-compose.yml is to be used',
    'Start the engine and join its group, or do without: nothing but the compose file needs it.',
  ),
  'secret-mode': files(
    'secrets are readable by their owner alone',
    'Run chmod 600 on the file (700 on a folder), and make new keys if others could read it.',
  ),
  'secret-readable': files(
    'secrets hold what their names say',
    'Restore the file from its backup, or make a new one and hand its public half to the others.',
  ),
  'certificate-file': files(
    "a server's certificate fits its key and is in force",
    'Have the certificate renewed, put its key beside it, and start the service again.',
  ),
  'contract-signed': contract(
    'every party has signed',
    'Each missing party runs `strongroom contract sign`, on this very file.',
  ),
  'identity-in-contract': contract(
    'the identity file holds the keys that the contract names for this party',
    'Use the identity file that was made for this contract, or amend the contract.',
  ),
  'kafka-reachable': kafka(
    'a broker answers',
    'Check address, port, firewall and TLS; `strongroom kafka start` runs one on this machine.',
  ),
  'kafka-lets-in': kafka(
    'brokers prove their names, and let this client in',
    'Correct trust store, certificate or password: docs/kafka.md says what each reason means.',
  ),
  'kafka-certificate': kafka(
    "brokers' certificates, and this client's, will be in force for a while",
    'Have the certificate renewed; a worker reads its own anew at each connection.',
  ),
  'kafka-version': kafka(
    'how new the protocol is that brokers speak',
    'Upgrade Kafka: what is older than 4.0 has not been tested.',
  ),
  'kafka-replicas': kafka(
    'there are brokers enough for three replicas',
    'Use three brokers or more for what matters: one disk that dies ends a computation.',
  ),
  'kafka-transactions': kafka(
    'a coordinator of transactions answers',
    'Enable transactions (transaction.state.log.*); results and checkpoints leave in one.',
  ),
  'topic-there': kafka(
    "the contract's topics exist",
    'Start the worker or publish: whoever comes first makes them, or allow them to be seen (ACL).',
  ),
  'topic-replicas': kafka(
    'a topic has three replicas, all in step, and min.insync.replicas=2',
    'Reassign partitions to three brokers and set min.insync.replicas=2 with kafka-configs.',
  ),
  'topic-cleanup': kafka(
    'checkpoints are compacted and nothing else is',
    'Set cleanup.policy with kafka-configs: compact for checkpoints, delete for all others.',
  ),
  'topic-retention': kafka(
    'nothing is let go of that a window or a reader still needs',
    'Set retention.ms=-1 and retention.bytes=-1 with kafka-configs; delete topics in the end.',
  ),
  'topic-record-size': kafka(
    'records may be as large as they can become',
    'Set max.message.bytes of the topic to 1048588, which is the default of Kafka, or more.',
  ),
  'kafka-elections': kafka(
    'no replica leads that has missed records',
    'Set unclean.leader.election.enable=false: a lost checkpoint ends a contract with leases.',
  ),
  'kafka-acls': kafka(
    'who may write is limited',
    'Enable an authorizer: secrecy does not depend on it, but that results appear at all does.',
  ),
  'service-reachable': services(
    'each service of the contract answers',
    'Start the service, or check name, port and firewall between here and there.',
  ),
  'service-tls': services(
    'its certificate is trusted here and is for its name',
    'Give the authority with --ca-file, or have a certificate made for the name in the contract.',
  ),
  'certificate-expiry': services(
    'its certificate will be in force for a while',
    'Have the certificate renewed, and start the service again.',
  ),
  'service-identity': services(
    'it signs with the keys that the contract pins',
    'Look who answers there: a service with other keys, or the contract of another deployment.',
  ),
  'worker-answers': services(
    'the worker that --worker names runs this contract',
    'Start it, or look at its log: `strongroom status --worker URL` says what it waits for.',
  ),
  'clock-http': clocks(
    'this clock and those of the services agree',
    'Run NTP (chrony, systemd-timesyncd) here and there: a clock that is off refuses tokens.',
  ),
  'clock-kafka': clocks(
    'no record comes from the future',
    'Run NTP here and where producers and brokers run.',
  ),
} as const satisfies Record<string, Check>;

export type CheckCode = keyof typeof CHECKS;

/** `skip`: it was not looked at, and `says` tells why. */
export type Verdict = 'ok' | 'warn' | 'fail' | 'skip';

export interface Finding {
  readonly code: CheckCode;
  readonly verdict: Verdict;
  /** What was found, in one line; names, counts and times, never a secret. */
  readonly says: string;
}

const finding =
  (verdict: Verdict) =>
  (code: CheckCode, says: string): Finding => ({ code, verdict, says });
export const ok = finding('ok');
export const warn = finding('warn');
export const fail = finding('fail');
export const skip = finding('skip');
