// More than 300 lines, since limits are compared with each other, and looked up in one place.
import assert from 'node:assert/strict';

/** Every maximum of the wire and of the services; their relations are asserted below. */

/** Kafka's default `message.max.bytes`; Event Hubs closes the connection above 1,046,528. */
export const RECORD_BYTES_MAX = 1_000_000;
/** A topic's `max.message.bytes`: Kafka's own default, for all records of one request. */
export const MESSAGE_BYTES_MAX = 1_048_588;
/** A seal with its wrapped segment secret is about 1.6 KB with RSA-3072, 1.2 KB with P-256. */
export const SEAL_BYTES_MAX = 8_192;
export const HEADER_BYTES_MAX = 16_384;
export const CIPHERTEXT_BYTES_MAX = 900_000;
/** AES-GCM's tag, at the end of the record's value. */
export const TAG_BYTES = 16;
/**
 * Sizes of what a vault seals, results among them: two results differ in size only where one has
 * some four times as much to say as the other.
 */
export const PADDED_SIZES = [4_096, 16_384, 65_536, 262_144, CIPHERTEXT_BYTES_MAX] as const;
/**
 * Of what all readers get of one result, in records of CIPHERTEXT_BYTES_MAX: one step holds them,
 * and a vault keeps a few copies of them at once.
 */
export const RESULT_PARTS_MAX = 32;
export const RESULT_BYTES_MAX = RESULT_PARTS_MAX * CIPHERTEXT_BYTES_MAX;
/** What one batch may unfold to when it was compressed before sealing; a seal says how much. */
export const PLAINTEXT_BYTES_MAX = 16 * 1024 * 1024;

export const ROWS_PER_BATCH_MAX = 1_048_576;
export const ROWS_PER_BATCH_DEFAULT = 8_192;
export const COLUMNS_MAX = 256;
/** Files of one folder, or objects below one prefix, that a producer publishes as one dataset. */
export const SOURCE_ITEMS_MAX = 100_000;
/** Of a topic that is not ours and that a producer reads. */
export const SOURCE_PARTITIONS_MAX = 1_024;
/** A schema that a registry gives to a producer. */
export const AVRO_SCHEMA_BYTES_MAX = 1024 * 1024;
/** An object that a producer has to hold in memory to read it: Parquet from a store. */
export const MEMORY_FILE_BYTES_MAX = 1024 * 1024 * 1024;
/** Digits of a decimal of 128 bits, in Arrow and in SQL. */
export const DECIMAL_DIGITS_MAX = 38;
/** Of one frame of an Arrow stream: a column's field takes 250 bytes at most. */
export const ARROW_METADATA_BYTES_MAX = 128 * 1024;
/** RFC 7519 tokens of the attestation service with one certificate chain stay under 8 KB. */
export const TOKEN_BYTES_MAX = 65_536;
/** A contract's authorities, and the tokens of one proof. */
export const AUTHORITIES_MAX = 8;
/** All tokens of a worker and its raw evidence; the body of a key request holds little else. */
export const PROOF_BYTES_MAX = 160 * 1024;
/** Azure's tokens are valid for 8 hours; an older one says nothing about what runs now. */
export const TOKEN_AGE_SECONDS_MAX = 8 * 3_600;
export const CLOCK_SKEW_SECONDS_MAX = 30;
/** A reader of results keeps so many tokens: one a worker's start, and room for forged ones. */
export const TOKENS_REMEMBERED_MAX = 4_096;
/** And so many receipts: one for each key and start. */
export const RECEIPTS_REMEMBERED_MAX = 65_536;
/** Of receipts in one saved result: an owner's service gives one a key and start of a worker. */
export const RECEIPTS_SAVED_MAX = 256;
/** AMD's revocation lists have a handful of entries. */
export const REVOCATION_LIST_BYTES_MAX = 64 * 1024;
/** Of revocation lists in one saved result: one is of the worker's machine. */
export const REVOCATION_LISTS_SAVED_MAX = 4;
/** Of a saved result: the parts of the largest one, a proof, receipts and the contract. */
export const SAVED_RESULT_CHARACTERS_MAX = 64 * 1024 * 1024;
/** Evidence: leaf, intermediates and root as PEM; AMD's take 7 KB together. */
export const CERTIFICATES_MAX = 8;
export const CERTIFICATE_CHAIN_CHARACTERS_MAX = 32_768;
export const RUNTIME_CLAIMS_BYTES_MAX = 16_384;
/** PCRs of a TPM's bank (TCG PC Client Platform TPM Profile). */
export const PCR_COUNT = 24;
/** Azure's NV index with report and runtime data has 2,600 bytes. */
export const VTPM_RUNTIME_DATA_BYTES_MAX = 8_192;
/** Two names of at most 68 bytes, one digest, and 60 bytes of numbers. */
export const TPM_QUOTE_BYTES_MAX = 512;
/** RSA-4096 at most. */
export const TPM_SIGNATURE_BYTES_MAX = 512;
/** Those that were seen take 6 to 11 KB, with the signer's certificates. */
export const UVM_ENDORSEMENT_BYTES_MAX = 24_576;
export const MANIFEST_BYTES_MAX = 4_096;

/** A challenge is 133 bytes long, always; what is much longer is none. */
export const CHALLENGE_BYTES_MAX = 256;
/** Answers a minute, to challenges of the log and of HTTP each: evidence takes the chip's time. */
export const ANSWERS_PER_MINUTE_MAX = 30;
/** Challenges that may wait for their answer; a platform makes one report at a time. */
export const CHALLENGES_WAITING_MAX = 8;
/** A statement names every stream: 256 of them take some 60 KB. */
export const STATEMENT_BYTES_MAX = 96 * 1024;
/** A stop notice does so too. */
export const NOTICE_BYTES_MAX = 96 * 1024;
/** Fresh evidence with all that a platform adds, a statement, and the proof of the start. */
export const EVIDENCE_ANSWER_BYTES_MAX = 600_000;
/** Nobody needs an old answer: the topics are kept for a day, and for so many bytes. */
export const EVIDENCE_RETENTION_MS = 24 * 3_600_000;
export const EVIDENCE_RETENTION_BYTES = 64 * 1024 * 1024;
export const CHECKPOINT_BYTES_MAX = 512 * 1024;
export const CHECKPOINT_SIZES = [4_096, 16_384, 65_536, 262_144, CHECKPOINT_BYTES_MAX] as const;
/**
 * A step begins no other window once it holds so much: a backlog leaves in few steps, since each
 * of them waits for a tick and for what the owners and the log have to say.
 */
export const STEP_BYTES = 4 * 1024 * 1024;
/** Nor once it holds so many windows, so that no request to the vault takes long. */
export const STEP_WINDOWS_MAX = 64;
/** A prepared step holds all that leaves with it; it takes as many records as it needs. */
export const PREPARED_PIECE_BYTES_MAX = 960_000;
/** What a restart reads of prepared steps: two of the largest; the newest is all that counts. */
export const PREPARED_BYTES_MAX = 80 * 1024 * 1024;
/** What is younger is not compacted where a log has no transactions, and a restart reads it. */
export const UNFENCED_COMPACTION_LAG_MS = 3_600_000;

/** Batches that have been missing for so long are an alarm. */
export const INPUT_STALL_MS = 30_000;
/** A segment: one wrapped secret, one asymmetric operation on each side. */
export const BATCHES_PER_SEGMENT_MAX = 1_024;
export const SEGMENT_AGE_MS_MAX = 10 * 60_000;
export const SEQUENCE_MAX = 2 ** 48;
/** A reader keeps so many unwrapped segment secrets, and forgets the oldest first. */
export const SEGMENT_SECRETS_CACHED_MAX = 512;
/** Vaults that one record may cost before it is refused. */
export const VAULT_DEATHS_MAX = 3;
/** Seals of a stream that are remembered to tell a fork from a replay. */
export const STREAM_SEALS_REMEMBERED_MAX = 1_024;
/** A name in a contract: as long as 16 random bytes in base64url. */
export const STREAM_NAME_CHARACTERS_MAX = 22;
/** Of one dataset, and of all datasets of a contract together. */
export const STREAMS_PER_DATASET_MAX = 64;
export const STREAMS_MAX = 256;
/** Of one dataset's topic. */
export const PARTITIONS_MAX = 64;
/** Each has a partition of every dataset at least. */
export const SLICES_MAX = 64;
/** Partials of one slice that may wait for one that comes late. */
export const PARTIALS_HELD_MAX = 256;
/** What all slices have told of windows that one of them has not told yet. */
export const PARTIALS_BYTES_MAX = 256 * 1024 * 1024;
/** Batches of one stream that are taken back, with a window open: checkpoints name them. */
export const RETRACTIONS_OPEN_MAX = 64;
/** Batches of one stream that may wait for one that comes late: the log chooses their order. */
export const HELD_BATCHES_MAX = 64;
/** Of all streams together, shared out evenly; each may keep one batch at least. */
export const HELD_BYTES_MAX = 64 * 1024 * 1024;
/** The seal of an aggregate names every stream that was counted: 300 at least. */
export const AGGREGATE_SEAL_BYTES_MAX = 96 * 1024;
/** The seal of a use names the chains of all other owners: 63 of them take 13 KB. */
export const USE_SEAL_BYTES_MAX = 32 * 1024;
/** The seal of a quarantined record has 1.5 KB with an RSA-4096 reading key. */
export const QUARANTINE_SEAL_BYTES_MAX = 4_096;
/** Value of a record that is set aside whole; of a larger one length and hash. */
export const QUARANTINED_RECORD_BYTES_MAX = 590_000;
/** Records of an owner that are set aside one by one in a minute; more are counted. */
export const QUARANTINED_PER_MINUTE_MAX = 30;
/** The oldest entries of a quarantine are let go of then; nothing depends on them. */
export const QUARANTINE_RETENTION_BYTES = 256 * 1024 * 1024;
/** Moduli of key encryption keys and of keys that sign releases and tokens. */
export const RSA_BITS_MIN = 3_072;
/** Azure's transfer keys are RSA-2048; they live as long as one guest. */
export const RELEASE_RECIPIENT_BITS_MIN = 2_048;

export const CONTRACT_BYTES_MAX = 1024 * 1024;
/** In base64url, with a signature of every party. */
export const SIGNED_CONTRACT_BYTES_MAX = 1536 * 1024;
/** Versions after its contract that a worker may be shown at its start. */
export const AMENDMENTS_SHOWN_MAX = 16;
/** Contracts that key release keeps as it has read them; others are read again when asked for. */
export const CONTRACTS_REMEMBERED_MAX = 16;
export const PARTIES_MAX = 64;
export const DATASETS_MAX = 256;
/** Functions in one query that read all of a text: 900 kB, a batch, take each of them 5 ms. */
export const QUERY_TEXT_FUNCTIONS_MAX = 16;
/** Reasons that are told of one query that may not run. */
export const QUERY_PROBLEMS_MAX = 64;
export const QUERIES_MAX = 256;
/** Of one dataset's key. */
export const KEY_HOLDERS_MAX = 16;
/** Of a share: a holder that does not answer is passed over where the others suffice. */
export const KEY_SHARE_WAIT_MS = 20_000;
/** RSA-8192 as PKCS#8 has 4.7 KB. */
export const WRAPPED_KEY_CHARACTERS_MAX = 8_192;
export const SQL_CHARACTERS_MAX = 16_384;
/** Tables that a query reads, one that a CTE reads as often as the CTE is named. */
export const QUERY_TABLES_MAX = 16;
export const IDENTIFIER_CHARACTERS_MAX = 63;

/** The years 1 to 9999, as SQL has them, in days since 1970: the first of them and the last. */
export const TIME_DAYS_MIN = -719_162;
export const TIME_DAYS_MAX = 2_932_896;

/** A day that advances by the minute: so many windows may hold one row, or wait with it. */
export const WINDOWS_PER_ROW_MAX = 1_440;
/** A window that is cut into more panes, by the steps in which it advances, is kept as rows. */
export const WINDOW_PANES_MAX = 1_440;
/** A result may have so many rows; a larger one is refused, not cut. */
export const AGGREGATE_ROWS_MAX = 1_000_000;
/** What a contract may set as the one size of a query's results. */
export const RESULT_BYTES_MIN = 1_024;
/** Exact queries over one relation whose results are compared with each other: all sets of them. */
export const CELL_QUERIES_MAX = 6;
/** Powers of ten by which a query's numbers move a measure before it is folded, all together. */
export const MEASURE_DECADES_MAX = 6;
/** Inside of the sums of one query: all that they tell apart together is counted. */
export const SUM_CONDITIONS_MAX = 4;
/** Sets of rows that these queries tell apart in one window. */
export const CELL_ATOMS_MAX = 100_000;
/** Up to so many it is also looked for what follows from counts being whole numbers. */
export const CELL_WHOLE_ATOMS_MAX = 256;
/** Entries touched while it is worked out what follows from the cells: a second or two. */
export const CELL_STEPS_MAX = 5_000_000;
/** Each takes at least one cell away. */
export const CELL_ROUNDS_MAX = 64;
/** Results leave at multiples of so much behind what completed them, if a contract says nothing. */
export const RESULT_TICK_MS_DEFAULT = 100;
/** Longer, and a worker that waits would look like one that stands still. */
export const RESULT_TICK_MS_MAX = 60_000;
/** Of one dimension, as an analysis rule lists them. */
export const DOMAIN_VALUES_MAX = 1_024;

/** Rows or groups of one contributor in a result with noise: noise grows with them. */
export const CONTRIBUTIONS_MAX = 1_000_000;
/** Rows of a table that a contributor brings into a join with noise: of two, 65,536 meet. */
export const JOINED_ROWS_DEFAULT = 256;
/** Of one measure, with fixed edges. */
export const PRIVACY_BINS_MAX = 256;
/** Of a result with noise, if no rule says fewer: each of its numbers is worked out by itself. */
export const PRIVATE_ROWS_MAX = 100_000;
/**
 * Of a query with noise, before those are left out that too few contributors are in: whether there
 * are more is not hidden, so the vault has room for more of them than any such result.
 */
export const PRIVATE_GROUPS_MAX = 250_000;
/** Of a measure that is added with noise, in fixed point. */
export const PRIVACY_FRACTION_DIGITS_MAX = 9;
/** Windows under one tree: two weeks of minutes. */
export const CONTINUAL_WINDOWS_MAX = 32_768;
/** Exact numbers of all running totals: a checkpoint holds those of each level of their trees. */
export const CONTINUAL_NUMBERS_MAX = 8_192;

/** An entry names the conditions that a token missed; more of them are left out. */
export const AUDIT_ENTRY_CHARACTERS_MAX = 65_536;
/** Hashes of a proof: one for each level of a tree of 2^48 entries, and one more. */
export const MERKLE_PROOF_HASHES_MAX = 49;

export const HTTP_BODY_BYTES_MAX = 256 * 1024;
export const HTTP_TIMEOUT_MS = 10_000;

/** How long a deleted key can be recovered: Azure's own period. */
export const DELETED_KEY_DAYS = 90;
/** Of a key with all its versions; about a thousand of RSA-4096. */
export const BACKUP_BYTES_MAX = 4 * 1024 * 1024;
/** Azure limits software keys to 2,000 requests in 10 s; a caller of key release likewise. */
export const CALLER_REQUESTS_PER_SECOND = 200;
export const CALLER_REQUESTS_BURST = 2_000;
/** Refusals of strangers that are written down one by one; more are counted. */
export const ATTEMPTS_RECORDED_PER_SECOND = 1;
export const ATTEMPTS_RECORDED_BURST = 1_000;
/** An access token of an identity provider: it travels in a header. */
export const OIDC_TOKEN_BYTES_MAX = 8_192;

/** A release policy: eight authorities with sixteen measurements each make about 145 KB. */
export const POLICY_BYTES_MAX = 160 * 1024;
export const POLICY_CONDITIONS_MAX = 2_048;
/** Lists inside lists of one authority. */
export const POLICY_DEPTH_MAX = 8;
export const POLICY_TEXT_CHARACTERS_MAX = 1_024;
/** Of comparing two policies; those of the largest contract have 157 entries each. */
export const POLICY_COMPARISON_STEPS_MAX = 40_000;

/** An attestation policy; Azure's longest published one has 10 KB. */
export const ATTESTATION_POLICY_BYTES_MAX = 64 * 1024;
export const ATTESTATION_POLICY_RULES_MAX = 512;
/** What rules may add up to: each can repeat what the one before it made. */
export const ATTESTATION_POLICY_CLAIMS_MAX = 4_096;

assert(CIPHERTEXT_BYTES_MAX + TAG_BYTES + HEADER_BYTES_MAX <= RECORD_BYTES_MAX);
assert(SEAL_BYTES_MAX < HEADER_BYTES_MAX);
assert(
  // In base64url, with headers of which JSON escapes every character, and what is said of them.
  Math.ceil((4 * QUARANTINED_RECORD_BYTES_MAX) / 3) + 6 * HEADER_BYTES_MAX + 8_192 <=
    CIPHERTEXT_BYTES_MAX,
);
assert(CIPHERTEXT_BYTES_MAX + TAG_BYTES + AGGREGATE_SEAL_BYTES_MAX + 1_024 <= RECORD_BYTES_MAX);
assert(
  // In base64url, with a seal of each part, and of everything else its limit.
  Math.ceil((4 * (RESULT_BYTES_MAX + RESULT_PARTS_MAX * TAG_BYTES)) / 3) +
    RESULT_PARTS_MAX * (AGGREGATE_SEAL_BYTES_MAX + 1_024) +
    4 * (PROOF_BYTES_MAX + SIGNED_CONTRACT_BYTES_MAX) <=
    SAVED_RESULT_CHARACTERS_MAX,
);
assert(
  2 * (STEP_BYTES + RESULT_BYTES_MAX + RESULT_PARTS_MAX * AGGREGATE_SEAL_BYTES_MAX) <=
    PREPARED_BYTES_MAX,
);
assert(PRIVATE_ROWS_MAX <= PRIVATE_GROUPS_MAX && PRIVATE_ROWS_MAX <= AGGREGATE_ROWS_MAX);
assert(MANIFEST_BYTES_MAX <= SEAL_BYTES_MAX);
assert(CIPHERTEXT_BYTES_MAX <= PLAINTEXT_BYTES_MAX);
// In base64url, as a compact JWE.
assert(Math.ceil((4 * CHECKPOINT_BYTES_MAX) / 3) + HEADER_BYTES_MAX < RECORD_BYTES_MAX);
assert(PREPARED_PIECE_BYTES_MAX + HEADER_BYTES_MAX <= RECORD_BYTES_MAX);
assert(EVIDENCE_ANSWER_BYTES_MAX < RECORD_BYTES_MAX);
assert(
  // The proof is text inside of text: its quotation marks and line ends are escaped once more.
  2 * PROOF_BYTES_MAX + STATEMENT_BYTES_MAX + 3 * CERTIFICATE_CHAIN_CHARACTERS_MAX <
    EVIDENCE_ANSWER_BYTES_MAX,
);
assert(SLICES_MAX <= PARTITIONS_MAX);
assert(ROWS_PER_BATCH_DEFAULT <= ROWS_PER_BATCH_MAX);
assert(SEQUENCE_MAX < Number.MAX_SAFE_INTEGER);
assert(Math.ceil(POLICY_BYTES_MAX / 3) * 4 + 4_096 <= HTTP_BODY_BYTES_MAX);
assert(TOKEN_BYTES_MAX < PROOF_BYTES_MAX && PROOF_BYTES_MAX < RECORD_BYTES_MAX);
assert(Math.ceil(PROOF_BYTES_MAX / 3) * 4 + 4_096 <= HTTP_BODY_BYTES_MAX);
assert(Math.ceil(CONTRACT_BYTES_MAX / 3) * 4 + PARTIES_MAX * 1_024 <= SIGNED_CONTRACT_BYTES_MAX);
assert(
  Math.ceil((Math.ceil(ATTESTATION_POLICY_BYTES_MAX / 3) * 4) / 3) * 4 + 16_384 <=
    HTTP_BODY_BYTES_MAX,
);
