/**
 * More than 300 lines: one table, so that no code is given twice.
 *
 * Every refusal of Strongroom: a stable code, what is done about it, what was expected, and the way
 * out. Tests and clients match on codes, never on text. No entry may carry a row, a key or a token:
 * the facts of an error are names from the contract, counts and limits.
 *
 * - `retry`: the outside failed; the same step may succeed later.
 * - `quarantine`: this record or input is bad; it is set aside and the stream goes on.
 * - `halt`: trust is broken or nobody can repair it by waiting; stop.
 */
export type Disposition = 'retry' | 'quarantine' | 'halt';

interface ErrorEntry {
  readonly disposition: Disposition;
  /** One sentence: what was expected. */
  readonly expected: string;
  /** One sentence: what to do. */
  readonly remedy: string;
  /** What a command ends with, where its disposition does not say it. */
  readonly exitCode?: number;
}

/** Exit codes of commands, after sysexits: 65 bad data, 69 unavailable, 77 refused. */
export const EXIT_CODES = { retry: 69, quarantine: 65, halt: 77 } as const;
/** What shells and scripts expect of a command that was called wrongly. */
export const EXIT_CODE_USAGE = 2;
/**
 * An owner has ended the contract, or approved the next version of it: no start under this one will
 * do anything again, so a supervisor may leave it. The first number behind those of sysexits.
 */
export const EXIT_CODE_ENDED = 79;

const retry = (expected: string, remedy: string): ErrorEntry => ({
  disposition: 'retry',
  expected,
  remedy,
});
const quarantine = (expected: string, remedy: string): ErrorEntry => ({
  disposition: 'quarantine',
  expected,
  remedy,
});
const halt = (expected: string, remedy: string): ErrorEntry => ({
  disposition: 'halt',
  expected,
  remedy,
});
const misused = (expected: string, remedy: string): ErrorEntry => ({
  ...halt(expected, remedy),
  exitCode: EXIT_CODE_USAGE,
});
const ended = (expected: string, remedy: string): ErrorEntry => ({
  ...halt(expected, remedy),
  exitCode: EXIT_CODE_ENDED,
});

export const ERRORS = {
  // Input and configuration
  ERR_USAGE: misused(
    'the command expects other arguments',
    'Run it with --help and correct the argument that is named.',
  ),
  ERR_CONFIG_INVALID: halt(
    'the configuration holds a missing or unknown value',
    'Correct the setting that is named; --help lists all of them.',
  ),
  ERR_FILE_UNREADABLE: halt(
    'the file is expected to exist and to be readable',
    'Check the path and its permissions.',
  ),
  ERR_FILE_UNWRITABLE: halt(
    'the file or folder is expected to be writable',
    'Check the path and its permissions.',
  ),
  ERR_DISK_FULL: retry(
    'the disk is expected to have room for what is about to be written',
    'Free space and start again: nothing was half published, no row is skipped or repeated, and ' +
      'a file that was cut off is written anew.',
  ),
  ERR_PORT_UNAVAILABLE: retry(
    'the host and port are expected to be free to listen on',
    'Choose another --port (0: any that is free) or --host, or stop the process that holds it.',
  ),
  ERR_JSON_MALFORMED: quarantine(
    'the document is expected to be valid JSON without repeated members',
    'Regenerate the document with the tool that made it.',
  ),
  ERR_JSON_NOT_CANONICAL: quarantine(
    'the document is expected in its one canonical form (RFC 8785)',
    'Do not edit or reformat signed documents; ask the sender for the original bytes.',
  ),
  ERR_LIMIT_EXCEEDED: quarantine(
    'every size and count is expected to stay under its named limit',
    'Make the input smaller; the limit that was met is named.',
  ),
  ERR_IDENTITY_MALFORMED: halt(
    'the identity file is expected to hold a party id, its signing key and perhaps a reading key',
    'Make a new one with `strongroom identity new`, or restore the file.',
  ),

  // Contract
  ERR_CONTRACT_MALFORMED: halt(
    'the contract is expected to follow its schema, with no unknown field',
    'Correct the field that is named; `strongroom contract new --help` shows the shape.',
  ),
  ERR_CONTRACT_UNSIGNED: halt(
    'the contract is expected to carry one valid signature of every party',
    'Have the parties that are named sign it: `strongroom contract sign`.',
  ),
  ERR_CONTRACT_SIGNATURE_INVALID: halt(
    'every signature is expected to verify with the key that the contract names for its party',
    'Do not use this file; ask the party that is named to sign again.',
  ),
  ERR_AMENDMENT_REFUSED: halt(
    'an amendment is expected to count on by one and to keep its datasets, or to widen them',
    'Correct the place that is named; docs/amendments.md lists what may change in a dataset.',
  ),
  ERR_CONTRACT_PREDECESSOR: halt(
    'an amendment is expected together with the version that it amends',
    'Give the contract file whose id is named, and all before it.',
  ),
  ERR_CONTRACT_FORKED: halt(
    'a version of a contract is expected to have one successor',
    'Two amendments of one version were signed; have the parties agree on one of them.',
  ),
  ERR_CONTRACT_SUPERSEDED: ended(
    'the contract is expected to be the newest version that its parties have signed',
    'Go on under the successor that is named, as docs/amendments.md says.',
  ),
  ERR_SEAL_SUPERSEDED: quarantine(
    'a seal is expected to name this version of the contract, and not the one before',
    'Publish the rows again under the amendment, with a state folder of its own.',
  ),
  ERR_CONTRACT_MISMATCH: quarantine(
    'the record is expected to belong to this contract',
    'Check that producer and worker were given the same contract file.',
  ),
  ERR_PARTY_UNKNOWN: halt(
    'the party is expected to be named in the contract',
    'Check the party id; `strongroom contract show` lists them.',
  ),
  ERR_IDENTITY_MISMATCH: halt(
    'the identity is expected to be that of the party that is named, with the key of the contract',
    'Use the identity file of this party, the one that it signed the contract with.',
  ),
  ERR_DATASET_UNKNOWN: halt(
    'the dataset is expected to be named in the contract',
    'Check the dataset id; `strongroom contract show` lists them.',
  ),

  // Producer: an owner's input
  ERR_SOURCE_MALFORMED: halt(
    'the source is expected to be a readable CSV, Parquet, NDJSON or Arrow file',
    'Check the file and --format; nothing of the bad part was published.',
  ),
  ERR_CSV_DIALECT: halt(
    'a dialect that was detected is expected to be agreed to by a person',
    'Look at the dialect that is named, and give it, or the right one, with --csv.',
  ),
  ERR_SOURCE_CHANGED: halt(
    'the source is expected to be the one that an earlier run began with',
    'Restore the source file, or begin a new stream with a new state folder.',
  ),
  ERR_SOURCE_UNREACHABLE: retry(
    'the database, store, topic or registry of the source is expected to answer',
    'Check the address and the network, and run the command again; it goes on where it was.',
  ),
  ERR_SOURCE_REFUSED: halt(
    'the database, store or registry is expected to let this producer read the source',
    "Check user, password, rights and the query; the code in the facts is the other side's own.",
  ),
  ERR_STREAM_BEGUN: halt(
    'a stream is expected to be begun once',
    'Use the state folder that began it, or, when that is lost, publish with --recover.',
  ),
  ERR_STREAM_ENDED: halt(
    'the stream is expected not to have ended',
    'Its owner has said that nothing follows: nothing can be added or taken back.',
  ),
  ERR_STREAM_NOT_FOUND: halt(
    'the log is expected to hold the stream that is to be recovered, or changed',
    'Check --brokers, --namespace and --stream; a stream that was never begun needs no --recover.',
  ),
  ERR_COLUMN_UNKNOWN: halt(
    'every column of the source is expected to be named in the contract',
    'Leave it out with --columns, or agree on an amendment that adds it as a nullable column.',
  ),
  ERR_COLUMN_MISSING: halt(
    'every column of the contract is expected in the source',
    'Add the column, or name it with --columns if it was renamed. Only a column that an ' +
      'amendment added (since) may be absent; --columns says so by =name.',
  ),
  ERR_COLUMN_TYPE: halt(
    'every value is expected to be one of the type that the contract names, exactly',
    'Convert the column, or agree on an amendment that widens it: docs/amendments.md says to what.',
  ),
  ERR_COLUMN_FORM: halt(
    'every value of the column is expected to have the canonical form that the contract names',
    'Correct the value, or leave it out by --without-form null where the column is nullable.',
  ),
  ERR_JOIN_KEY_MISSING: halt(
    'the join key that the contract names is expected among the files of --join-key',
    'Name the file of that key; the owners whose columns are hashed with it have the same one.',
  ),
  ERR_JOIN_KEY_MALFORMED: halt(
    'a join key file is expected as `strongroom key join` makes it',
    'Get the file again from the owner that made it.',
  ),
  ERR_COLUMN_NULL: halt(
    'the column is expected to have no missing values',
    'Fill the missing values. No amendment makes a column nullable: such rows are another dataset.',
  ),
  ERR_EVENT_TIME_MISSING: halt(
    'every row is expected to have an event time',
    'Fill the event-time column that the contract names.',
  ),
  ERR_BATCH_TOO_LARGE: halt(
    'a sealed batch is expected to stay under the record limit',
    'Lower --batch-rows or --batch-bytes.',
  ),
  ERR_STATE_LOCKED: retry(
    'one process at a time is expected to use a state folder',
    'Wait for the other process, or give this one a state folder of its own.',
  ),
  ERR_STATE_CORRUPT: halt(
    'the state folder is expected to hold what this process wrote',
    'Restore the folder, or begin anew with an empty one: for a producer, a new stream.',
  ),

  // Sealed batches and manifests
  ERR_SEAL_MALFORMED: quarantine(
    'the seal is expected to be one compact JWS with exactly the fields of its version',
    'The writer of this record does not follow schemas/sealed-batch; ask its owner.',
  ),
  ERR_SEAL_VERSION: quarantine(
    'the seal is expected to have a version that this reader knows',
    'Upgrade the reader, or have the owner publish a known version.',
  ),
  ERR_SEAL_ALGORITHM: quarantine(
    'the seal is expected to use the algorithm of the signing key that the contract names',
    'The writer of this record does not follow schemas/sealed-batch; ask its owner.',
  ),
  ERR_SEAL_SIGNATURE: quarantine(
    "the seal is expected to verify with the signing key of the dataset's owner",
    'Treat the record as forged; tell the owner whose name it bears.',
  ),
  ERR_SEAL_CONTEXT: quarantine(
    'the seal is expected to name the contract, dataset and stream in which it was found',
    "Treat the record as moved from elsewhere; check the log's operator.",
  ),
  ERR_RECORD_HEADERS: quarantine(
    "the record's headers and key are expected to be those that its seal implies",
    "Treat the record as tampered with; check the log's operator.",
  ),
  ERR_CIPHERTEXT_HASH: quarantine(
    'the ciphertext is expected to have the hash that its owner signed',
    "Treat the record as tampered with; check the log's operator.",
  ),
  ERR_SEGMENT_UNWRAP: quarantine(
    "the segment secret is expected to open with the dataset's key encryption key",
    'Have the owner seal with the key encryption key that the contract names.',
  ),
  ERR_BATCH_UNOPENABLE: quarantine(
    'the batch is expected to open with the key and commitment of its seal',
    'Treat the record as tampered with; ask its owner to publish it again.',
  ),
  ERR_BATCH_COMPRESSION: quarantine(
    'a compressed batch is expected to be one zstd frame of exactly the length that its seal says',
    'The writer of this batch does not follow schemas/sealed-batch; ask its owner.',
  ),
  ERR_BATCH_CONTENT: quarantine(
    'the batch is expected to hold the Arrow columns of the contract and the declared rows',
    'Have the owner check its producer; the rows of this batch were not counted.',
  ),
  ERR_EVENT_TIME_RANGE: quarantine(
    'event times of a batch are expected to lie between those that the contract names',
    'Have the owner publish other rows, or agree on an amendment; no row of the batch was counted.',
  ),
  ERR_BATCH_REPLAYED: quarantine(
    'every sequence number of a stream is expected once',
    'Nothing: the batch had been counted already and was not counted again.',
  ),
  ERR_STREAM_FORKED: halt(
    'one sequence number of a stream is expected to have one seal',
    'Two histories of this stream exist; ask its owner which one is true.',
  ),
  ERR_STREAM_UNKNOWN: quarantine(
    'a dataset is expected to have the streams that its contract names, or else one',
    'Have the owner continue a stream that it began, or use a name of the contract.',
  ),
  ERR_STREAM_PARTITION: quarantine(
    'a stream is expected in the partition that the contract names',
    'Have the owner publish it there; a record that the log has moved was not counted.',
  ),
  ERR_STREAM_EPOCH: quarantine(
    'a stream is expected to go on in the epoch that its newest opening began',
    'Stop the producer that goes on with an older state: another one has recovered its stream.',
  ),
  ERR_OPENING_MALFORMED: quarantine(
    'the opening is expected to be one compact JWS with exactly the fields of its version',
    'The writer of this record does not follow schemas/sealed-batch; ask its owner.',
  ),
  ERR_OPENING_MISMATCH: quarantine(
    'an opening is expected to go on exactly where the stream stands',
    'No window closes until one does: have the owner run its producer with --recover once more.',
  ),
  ERR_RETRACTION_MALFORMED: quarantine(
    'the retraction is expected to be one compact JWS with exactly the fields of its version',
    'The writer of this record does not follow schemas/sealed-batch; ask its owner.',
  ),
  ERR_RETRACTION_UNKNOWN: quarantine(
    'a retraction is expected to name a batch of its stream that was not taken back yet',
    'Look the batch and its seal up in the log; nothing was taken back.',
  ),
  ERR_RETRACTION_LATE: quarantine(
    'a batch is expected to be taken back before any window that holds its rows has closed',
    'Nothing can be taken back any more: the rows are in a result. Tell its readers.',
  ),
  ERR_RECORD_FATAL: quarantine(
    'a record is expected to be read without the loss of the vault that reads it',
    'Nothing of it was counted and windows stay open: take it to who maintains this program, and ' +
      'have the owner go on by an opening. It may also be that the machine was stopped there.',
  ),
  ERR_STREAM_GAP: retry(
    'the sequence numbers of a stream are expected without a gap',
    'The log withholds or has lost batches; windows stay open until they appear.',
  ),
  ERR_STREAM_TRUNCATED: halt(
    "the log is expected to hold every batch that the owner's manifest names",
    'The log withholds or has lost the end of the stream; no result was released.',
  ),
  ERR_MANIFEST_MALFORMED: quarantine(
    'the manifest is expected to be one compact JWS with exactly the fields of its version',
    'The writer of this record does not follow schemas/sealed-batch; ask its owner.',
  ),
  ERR_MANIFEST_MISMATCH: halt(
    'the manifest is expected to name the chain head and row count of the stream',
    'Two histories of this stream exist; ask its owner which one is true.',
  ),
  ERR_LATE_ROWS: quarantine(
    'rows are expected before a window that holds them has closed',
    'Late rows are counted in open windows only; the owner may raise its watermark lag.',
  ),

  // Attestation
  ERR_EVIDENCE_MALFORMED: halt(
    'the evidence is expected to be a report, its certificate chain and runtime claims',
    'Check the attester and its platform provider.',
  ),
  ERR_PLATFORM_UNAVAILABLE: retry(
    'the platform is expected to make an attestation report',
    'Check that this is an SEV-SNP guest with Linux 6.7 or later and configfs mounted.',
  ),
  ERR_ENDORSEMENT_UNAVAILABLE: retry(
    "the chip's certificates are expected from the platform, the cache, a bundle or AMD's service",
    'Check the way to the service that is named, or give --endorsements-offline a bundle.',
  ),
  ERR_VTPM_EVIDENCE: halt(
    "the TPM's quote is expected to answer this request under the key that the report binds",
    'Treat the evidence as relayed or replayed; the step that failed is named.',
  ),
  ERR_UVM_ENDORSEMENT: halt(
    "the endorsement of the utility VM is expected to be its vendor's and to name this launch",
    'Check the container platform; an unknown utility VM runs below the containers.',
  ),
  ERR_REPORT_MALFORMED: halt(
    'the attestation report is expected to follow a known version of the SEV-SNP ABI',
    'Check the platform; a new report version needs a new verifier.',
  ),
  ERR_REPORT_SIGNATURE: halt(
    'the attestation report is expected to be signed by the endorsement key of its chip',
    'Treat the evidence as forged.',
  ),
  ERR_CERTIFICATE_CHAIN: halt(
    'the certificate chain is expected to end in a pinned vendor root',
    'Check the endorsements; roots inside the evidence are never trusted.',
  ),
  ERR_ROOT_KIND: halt(
    'the platform kind is expected to be the one that the policy names',
    'Simulated evidence is accepted only where a contract names the simulated platform.',
  ),
  ERR_MEASUREMENT_MISMATCH: halt(
    'the launch measurement is expected to be one that the contract names',
    'The worker runs other code than agreed; no key was released.',
  ),
  ERR_APPRAISAL_REFUSED: halt(
    'the evidence is expected to meet every demand of the policy',
    'Read the list of mismatches; each names what was expected and found.',
  ),
  ERR_REPORT_DATA_MISMATCH: halt(
    'the report is expected to bind the runtime claims that travel with it',
    'Treat the evidence as relayed from elsewhere.',
  ),
  ERR_TOKEN_INVALID: halt(
    'the attestation token is expected to be signed by an authority that the contract names',
    'Check issuer, keys, algorithm and validity of the token.',
  ),
  ERR_AGREEMENT_MISSING: halt(
    'as many authorities as the contract says are expected to attest one and the same worker',
    'Look at what each authority said; the ones that are named do not count, and why.',
  ),
  ERR_CHALLENGE_MALFORMED: quarantine(
    'a challenge is expected to be canonical JSON of a contract id and a nonce of 32 bytes',
    'Ask with `strongroom evidence`, which makes challenges of the right form.',
  ),
  ERR_CHALLENGE_LIMIT: retry(
    'challenges are expected to stay below the number that a worker answers in a minute',
    'Ask again in a minute; whoever may write challenges can crowd out the others.',
  ),
  ERR_EVIDENCE_UNANSWERED: retry(
    'the worker is expected to answer a challenge in time',
    'Check that a worker runs under this contract and is ready, then ask again.',
  ),
  ERR_STATEMENT_INVALID: halt(
    "the worker's statement is expected to be signed by the key that its fresh evidence binds",
    'Treat the answer as forged or put together from two answers.',
  ),
  ERR_ATTESTATION_POLICY_MALFORMED: halt(
    "the attestation policy is expected to follow Azure Attestation's grammar 1.0, 1.1 or 1.2",
    'Correct the line and column that are named; the policy that was in force stays in force.',
  ),
  ERR_ATTESTATION_POLICY_SIGNATURE: halt(
    'the attestation policy is expected to be signed with a policy management certificate',
    'Sign it with a key whose certificate the service was started with.',
  ),
  ERR_ATTESTATION_DENIED: halt(
    'the claims of the evidence are expected to be permitted by the attestation policy',
    'Read the policy with GET /policies; a rule that cannot be evaluated denies as well.',
  ),

  // Key release
  ERR_CONTRACT_UNKNOWN: halt(
    'the key release service is expected to know the contract that evidence is held to',
    'Upload it: `strongroom key policy set … --contract contract.json`.',
  ),
  ERR_POLICY_MALFORMED: halt(
    'the release policy is expected to follow the version 1.0.0 grammar',
    'Correct the place that is named; `strongroom policy from-contract` makes a valid one.',
  ),
  ERR_POLICY_DENIED: halt(
    'the claims of the token are expected to meet the release policy',
    'The requester is not what the owner agreed to; no key was released.',
  ),
  ERR_POLICY_WEAKER: halt(
    'the new policy is expected to release to no token that the old one refuses',
    'Read what changes; set the new policy only if that was agreed on.',
  ),
  ERR_KEY_NOT_FOUND: halt(
    'the key is expected to exist in this key release service',
    "Check the key's name in the contract and in the service.",
  ),
  ERR_STORE_SEALED: halt(
    'what a service stored is expected to open with its master key',
    'Start the service with the master key that its store was made with, or restore the store.',
  ),
  ERR_KEY_DISABLED: halt(
    'the key is expected to be enabled and within its validity',
    'Ask the owner; it may have revoked the key.',
  ),
  ERR_KEY_NOT_RELEASED: retry(
    'the key release service is expected to answer with a signed release',
    'Check that the service runs and can be reached.',
  ),
  ERR_RELEASE_INVALID: halt(
    "the release is expected to be signed by the owner's service and to hold the agreed key",
    'Treat the service as impersonated; check its URL and certificate.',
  ),
  ERR_KEY_SHARES_INVALID: halt(
    "the agreed shares are expected to make the private half of the dataset's wrapping key",
    'The key was split wrongly; agree on a contract with a new `strongroom key split`.',
  ),
  ERR_UNAUTHENTICATED: halt(
    'the caller is expected to present a valid access token',
    'Set the access token that the service was configured with.',
  ),
  ERR_RATE_LIMITED: retry(
    'a caller is expected to ask no more often than its rate allows',
    'Ask again after the seconds that are named.',
  ),
  ERR_OPERATION_NOT_OFFERED: halt(
    'a key of this service is released or kept, and used for nothing by the service itself',
    'Release the key to attested code, or use the public half where you are.',
  ),
  ERR_KEY_DELETED: halt(
    'the name is expected to be free of a deleted key that can still be recovered',
    'Recover the deleted key, or purge it to free its name.',
  ),
  ERR_KEY_EXISTS: halt(
    'a restored key is expected to find its name free',
    'Delete and purge the key of this name first, if it is to be replaced.',
  ),
  ERR_BACKUP_INVALID: halt(
    'the backup is expected to be one that this service made under its present master key',
    'Use a backup of this service, made after its master key was last rotated.',
  ),
  ERR_BACKUP_OUTDATED: halt(
    'a backup is expected to hold the key as it was when it was purged',
    'Use the newest backup: an older one would bring back what was changed since.',
  ),
  ERR_MASTER_KEY_UNAVAILABLE: retry(
    'the token or service that holds the master key is expected to open the store key',
    'Check that it can be reached, its PIN or access token, and the key that is named.',
  ),
  ERR_RIGHT_MISSING: halt(
    'the access token is expected to carry the right that is named',
    'Use a token with this right: who releases keys does not administer them.',
  ),
  ERR_REQUEST_INVALID: halt(
    'the request is expected to follow the documented shape',
    "Correct the member that is named; the service's README lists its routes.",
  ),
  ERR_POLICY_IMMUTABLE: halt(
    'a release policy that was set as immutable is expected to stay as it is',
    'Create a new version of the key with the new policy.',
  ),
  ERR_BUDGET_UNSET: halt(
    'the owner is expected to have set a budget for the dataset, in the measure of the debit',
    'Ask the owner to set one: `strongroom ledger budget set`.',
  ),
  ERR_BUDGET_EXHAUSTED: halt(
    "a result is expected to fit into what is left of the owner's privacy budget",
    'No further result of this dataset may leave; the owner may raise the budget.',
  ),
  ERR_DEBIT_CHANGED: halt(
    'a window of a query is expected to be debited once, with the same amounts',
    'Somebody asks for a second result of a window: look at the audit entry that is named.',
  ),
  ERR_DEBIT_INVALID: halt(
    'a debit is expected to be signed by the attested worker, for the datasets of its query',
    'Treat the debit as forged, or the worker as running under another contract.',
  ),
  ERR_DEBIT_UNPROVEN: halt(
    "a result with noise is expected to leave with each owner's receipt for what it uses up",
    'Ask that owner for its audit log: its service answered without writing the debit down.',
  ),
  ERR_AUDIT_BROKEN: halt(
    'the audit log is expected to hold every entry that was signed, unchanged and in order',
    'Somebody changed or cut it from this sequence number on: keep it as evidence, ask its owner.',
  ),
  ERR_AUDIT_HEAD_INVALID: halt(
    'the head of an audit log is expected to be signed by the service that keeps it',
    "Treat it as forged; check that the release key is the one of the owner's contract.",
  ),
  ERR_RECEIPT_INVALID: halt(
    'a receipt is expected to prove that its entry is in the log of its signed head',
    'Treat it as forged; ask its owner for a proof of this entry.',
  ),
  ERR_SERVICE_UNREACHABLE: retry(
    'the service is expected to answer at its URL',
    'Check that it runs, its URL and its certificate.',
  ),

  // Log
  ERR_LOG_UNREACHABLE: retry(
    'a Kafka broker is expected to answer at the bootstrap servers',
    'Check KAFKA_BROKERS, or start one: `strongroom kafka start`.',
  ),
  ERR_LOG_FAILED: retry(
    'the log is expected to accept and return records',
    "Look at the broker's log; the client is rebuilt and tries again.",
  ),
  ERR_LOG_TRUNCATED: retry(
    'the log is expected to hold what the checkpoint reads again from',
    'The topic was cut, made anew or kept too short; where windows stay open, publish again.',
  ),
  ERR_LOG_FENCED: halt(
    'one worker at a time is expected to write the results of a contract',
    'Another worker has taken over; this one stops.',
  ),
  ERR_LOG_REFUSED: retry(
    'the log is expected to prove its name, to know this client and to let it do its work',
    'Check certificates, password and ACLs: docs/kafka.md says what each role needs.',
  ),
  ERR_KAFKA_CONFIG: halt(
    "the log's address and settings are expected under Kafka's names, and to be known",
    'Correct the setting or the line that is named; docs/kafka.md lists all of them.',
  ),
  ERR_KAFKA_UNAVAILABLE: halt(
    'a Kafka broker, Java 17 with Maven, or a Docker engine is expected on this machine',
    'Set KAFKA_BROKERS to a running broker, install Java 17 and Maven, or start Docker.',
  ),

  // Vault
  ERR_QUERY_REFUSED: halt(
    'the query is expected to use only the statements, functions and tables of the contract',
    'Change the SQL at the place that is named and have all parties sign again.',
  ),
  ERR_QUERY_AGAINST_RULES: halt(
    'the query is expected to keep to the analysis rules of every owner whose data it reads',
    'Change the SQL at the place that is named, or agree with the owner on other rules.',
  ),
  ERR_QUERY_DIFFERENCE: halt(
    'exact queries over the same rows are expected to be such that no difference of them is small',
    'Let them have one FROM and like windows, give one noise, or accept differences by contract.',
  ),
  ERR_NOISE_WITHOUT_LEASE: halt(
    'every owner of rows under noise is expected to keep a lease: two workers could average it',
    'Let the owner keep a lease, or say `"averaging": "accepted"` in its `keyRelease`.',
  ),
  ERR_RULES_WEAKER: halt(
    'every demand of the rules that are imported is expected to have a counterpart here',
    'Read what is weaker; keep to it by other means and add --accept-weaker, or do not import.',
  ),
  ERR_QUERY_FAILED: halt(
    'the query is expected to run on the data of its window',
    "Check the SQL against the contract's columns; no engine text leaves the vault.",
  ),
  ERR_VAULT_MEMORY: retry(
    "the open windows are expected to fit into the vault's memory",
    'Give the vault more memory or make windows smaller; it resumes at its checkpoint.',
  ),
  ERR_VAULT_LOST: retry(
    'the vault is expected to answer',
    'It is started again from its checkpoint; where it is lost there each time, give it more ' +
      '--memory, or a longer --vault-deadline. It does not say why: the cause may be a row.',
  ),
  ERR_ENGINE_OPEN: halt(
    'the query engine is expected to start with every lock in place',
    'Use the pinned version of DuckDB; no row was read.',
  ),
  ERR_WORKER_STALLED: retry(
    'records that wait on the log are expected to be handled within --stall seconds',
    'The worker begins a new life; look at its load, and at `strongroom status`.',
  ),
  ERR_INPUT_INCOMPLETE: retry(
    'every owner is expected to complete its dataset before the deadline',
    'Wait for the datasets that are named, or raise --deadline.',
  ),
  ERR_CHECKPOINT_INVALID: halt(
    'the checkpoint is expected to open with the state key of this contract',
    'The log was tampered with, or an owner changed its share; ask the owners.',
  ),

  // Slices
  ERR_SLICE_UNKNOWN: halt(
    'a worker is expected to be started for a slice that the contract has, or for none',
    'Give --slice a number below the slices of the contract, or leave it out.',
  ),
  ERR_TRANSACTIONS_NEEDED: halt(
    'where the log has no transactions, an owner is expected to keep a lease, and no slices to be',
    'Have an owner keep a lease in the next version of the contract, or use another log.',
  ),
  ERR_SLICE_TAKEN: halt(
    'each part of a contract with slices is expected to have one worker',
    'Another host has taken this part over; this worker ends.',
  ),
  ERR_QUERY_NOT_SLICED: halt(
    'in a contract with slices every query is expected to be a merge of what each slice counts',
    'Change the query as the reason says, or leave slices out of the contract.',
  ),
  ERR_PARTIAL_INVALID: quarantine(
    'a partial is expected to open with the key of its slice',
    'Somebody else wrote it, or the log changed it; nothing of it is counted.',
  ),
  ERR_PARTIAL_REPLAYED: quarantine(
    'every partial of a slice is expected once',
    'Nothing: it had been counted already and was not counted again.',
  ),
  ERR_PARTIAL_FORKED: halt(
    'the partials of a slice are expected to be one chain',
    'The log was rolled back under a slice; ask who operates it.',
  ),

  // Leases
  ERR_LEASE_HELD: retry(
    'no other worker is expected to hold the lease of this contract',
    'Wait until it has ended, a few seconds after its holder stopped; run one worker a contract.',
  ),
  ERR_LEASE_LOST: retry(
    'who lets results leave is expected to hold the lease of this contract',
    'Start the worker again; when another one runs, this one is a clone or was asleep too long.',
  ),
  ERR_LEASE_FORKED: halt(
    'a computation is expected to go on from the checkpoint that its owners agreed to last',
    'The log or the data of an owner was rolled back; bring back what is missing, or begin anew.',
  ),
  ERR_LEASE_INVALID: halt(
    'a lease is expected to be asked for by its holder and confirmed by the owner',
    'Check that the contract pins the key of the service that answers.',
  ),
  ERR_NONCE_SPENT: retry(
    'a nonce of the last minute is expected, that nobody has used',
    'Ask for a new nonce, and for evidence that holds it.',
  ),
  ERR_CONTRACT_REVOKED: ended(
    'every owner is expected to go on agreeing to the contract',
    'An owner has ended it for good; agree on a new contract.',
  ),
  ERR_NOTICE_INVALID: quarantine(
    'a stop notice is expected to be signed by the attested worker that it names',
    'Treat it as forged; ask the owner: `strongroom lease show`.',
  ),
  ERR_NOTICE_MISSING: retry(
    'the worker of a contract that was ended is expected to say on the log that it stopped',
    'The contract is ended all the same; nothing runs, or the log withholds the notice.',
  ),

  // Analyst
  ERR_NOT_A_READER: halt(
    'the result is expected to be addressed to this analyst',
    'Ask the parties for an amendment that names you as a reader.',
  ),
  ERR_SAVED_RESULT: quarantine(
    'the file is expected to hold one result with its proof, as `analyst save` writes it',
    'Save the result again; a copy that was changed or cut off proves nothing.',
  ),
  ERR_PROOF_BUNDLE: quarantine(
    "the file is expected to be a bundle of proofs, as the owner's page saves it",
    'Save it again, or ask the owner who sent it for another one.',
  ),
  ERR_AGGREGATE_MALFORMED: quarantine(
    'the result is expected to follow schemas/sealed-aggregate',
    "Treat the record as tampered with; check the log's operator.",
  ),
  ERR_AGGREGATE_SIGNATURE: quarantine(
    'the result is expected to be signed by the attested key of the worker',
    'Treat the record as forged; it was not opened.',
  ),
  ERR_AGGREGATE_PROOF: quarantine(
    'the result is expected to come with the token that proves which code made it',
    'Wait for the token on the log, or treat the record as forged.',
  ),
  ERR_AGGREGATE_INCOMPLETE: quarantine(
    'a result is expected with all of its parts, one behind the other, and with no other part',
    'Read again: where the same is said, the log withholds or has mixed up a part.',
  ),
  ERR_AGGREGATE_GAP: halt(
    'the results of a query are expected without a gap and with rising epochs',
    'The log withholds or has lost results, or shows an old branch.',
  ),
  ERR_QUARANTINE_INVALID: quarantine(
    "an entry of an owner's quarantine is expected to be sealed to it by an attested vault",
    'Treat the record as forged or damaged; it was not opened.',
  ),
  ERR_QUARANTINE_ABSENT: halt(
    'the party is expected to own a dataset and to have a reading key in the contract',
    'Have an amendment name a reading key: without one nothing can be sealed to the owner.',
  ),
  ERR_QUARANTINE_UNKNOWN: halt(
    'the entry is expected to be in the quarantine of this owner',
    'Take an id that `strongroom quarantine list` shows.',
  ),
  ERR_QUARANTINE_RECORD_LOST: halt(
    'a record that was too large to be set aside is expected at the place where it lay',
    'Have its owner publish it again; the log keeps other bytes there, or none.',
  ),
  ERR_USE_INVALID: quarantine(
    "an entry of an owner's ledger of uses is expected to be sealed to it by an attested vault",
    'Treat the record as forged or damaged; it was not opened.',
  ),
  ERR_USES_ABSENT: halt(
    'this party is expected to own a dataset and to have a reading key in the contract',
    'Without a reading key an owner has no ledger of uses: give it one in the next version.',
  ),
  ERR_USES_BROKEN: halt(
    "an owner's ledger of uses is expected to be one chain: no gap, no fork, no lower epoch",
    'The log withholds, has lost or has rewritten entries from this sequence number on.',
  ),
  ERR_USES_DIVERGED: halt(
    'the ledgers of uses of two owners are expected to name each other as they are',
    'Two histories were shown, both signed by a vault: the log or its host lies. Keep both copies.',
  ),
} as const satisfies Record<`ERR_${string}`, ErrorEntry>;

export type ErrorCode = keyof typeof ERRORS;

/** Names from the contract, limits and counts: what may be shown to anyone who sees the error. */
export type ErrorFacts = Readonly<Record<string, string | number | boolean | readonly string[]>>;

export class StrongroomError extends Error {
  readonly code: ErrorCode;
  readonly facts: ErrorFacts;

  constructor(code: ErrorCode, facts: ErrorFacts = {}) {
    super(describe(code, facts));
    this.name = 'StrongroomError';
    this.code = code;
    this.facts = facts;
  }

  get disposition(): Disposition {
    return ERRORS[this.code].disposition;
  }

  get exitCode(): number {
    const { disposition, exitCode }: ErrorEntry = ERRORS[this.code];
    return exitCode ?? EXIT_CODES[disposition];
  }

  toJSON(): { code: ErrorCode; expected: string; remedy: string; facts: ErrorFacts } {
    const { expected, remedy } = ERRORS[this.code];
    return { code: this.code, expected, remedy, facts: this.facts };
  }
}

function describe(code: ErrorCode, facts: ErrorFacts): string {
  const { expected, remedy } = ERRORS[code];
  const shown = Object.entries(facts).map(([name, value]) => `${name}: ${String(value)}`);
  const inBrackets = shown.length > 0 ? ` (${shown.join(', ')})` : '';
  return `${expected}${inBrackets}. ${remedy}`;
}

/**
 * The code of any thrown value; undefined for what carries none of ours (a programmer error).
 * By shape, not by class: packages that may not load this one throw errors with the same codes.
 */
export function codeOf(thrown: unknown): ErrorCode | undefined {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return isErrorCode(code) ? code : undefined;
}

/** What to do about a thrown value; a programmer error halts. */
export function dispositionOf(thrown: unknown): Disposition {
  const code = codeOf(thrown);
  return code === undefined ? 'halt' : ERRORS[code].disposition;
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(ERRORS, value);
}
