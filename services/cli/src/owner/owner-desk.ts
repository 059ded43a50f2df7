import { listsToCarry } from '@strongroom/attestation/carried-lists';
import type { CheckedList } from '@strongroom/attestation/snp/revocation';
import { carryLists } from '@strongroom/protocol/carried-lists';
import type { SignedContract } from '@strongroom/protocol/contract';
import { partyOf } from '@strongroom/protocol/contract';
import { StrongroomError } from '@strongroom/protocol/errors';
import type { EvidenceAnswer } from '@strongroom/protocol/evidence-answer';
import type { ProofBundle } from '@strongroom/protocol/proof-bundle';
import type { VerifiedContract } from '@strongroom/sealing/verify';
import { endContract } from '../end-contract.ts';
import { evidenceFacts, evidenceWords } from '../evidence-text.ts';
import { challengeOf, firstAccepted, type WayToWorker } from '../first-answer.ts';
import { ownServiceIn } from '../lease-service.ts';
import type { WorkerTrust } from '../owner-log.ts';
import { copyOf } from '../uses-copy.ts';
import type { VaultOptions } from '../vault-client.ts';
import { booksOf } from './accounts.ts';
import { agreementFacts } from './agreement-facts.ts';
import { AuditFollower } from './audit-follower.ts';
import type {
  AgreementFacts,
  DataFacts,
  EvidenceFactsOfPage,
  OverviewFacts,
  RequestKind,
  RequestsFacts,
  RevocationFacts,
  ServiceFacts,
} from './facts.ts';
import { leaseOf } from './lease-of-log.ts';
import { oneAtATime } from './one-at-a-time.ts';
import type { OwnerData } from './owner-data.ts';
import { countsIn, requestsIn } from './requests.ts';
import { revocationMeaning } from './revocation-meaning.ts';

export interface OwnerDeskOptions {
  /** All versions of the contract; the newest counts. */
  readonly chain: readonly VerifiedContract[];
  readonly signed: readonly SignedContract[];
  readonly party: string;
  /** The owner's service, with a token that may read the audit log. */
  readonly service: VaultOptions;
  /** Without it the page cannot end the contract. */
  readonly adminTokenFile?: string;
  /** Files of versions that not all have signed yet. */
  readonly amendments: readonly string[];
  /** Without a log there is none. */
  readonly data?: OwnerData;
  readonly canReadUses: boolean;
  readonly way?: WayToWorker;
  /** For evidence; absent without a way to a worker. */
  readonly trust?: WorkerTrust;
}

/** Everything that an owner can look at and do, by the code of the commands. */
export interface OwnerDesk {
  overview(): OverviewFacts;
  service(): Promise<ServiceFacts>;
  requests(kind: RequestKind, before?: number): Promise<RequestsFacts>;
  data(): Promise<DataFacts>;
  agreement(): Promise<AgreementFacts>;
  askEvidence(): Promise<EvidenceFactsOfPage>;
  revoke(): Promise<RevocationFacts>;
  bundle(): Promise<ProofBundle>;
}

export function createOwnerDesk(options: OwnerDeskOptions, newest: VerifiedContract): OwnerDesk {
  const { chain, party, service, data, amendments } = options;
  const { contract, contractId } = newest;
  const audit = new AuditFollower(service, authorOf(newest, party));
  const versions = new Set<string>(chain.map((each) => each.contractId));
  const evidence = createEvidenceDesk(options);
  return {
    overview: () => overviewOf(options, newest),
    service: async () => {
      const { entries, root, signedAt } = await audit.now();
      const { accounts, debits } = booksOf(entries, versions);
      return {
        audit: { entries: entries.length, root, signedAt },
        lease: leaseOf(entries, contractId),
        ...{ accounts, debits: debits.slice(0, DEBITS_SHOWN) },
        counts: countsIn(entries),
      };
    },
    requests: async (kind, before) => {
      const { entries } = await audit.now();
      return requestsIn(entries, contract, { kind, ...(before === undefined ? {} : { before }) });
    },
    data: () => demanded(data, '--brokers').now(),
    agreement: () => agreementFacts(chain, newest, amendments, party),
    askEvidence: evidence.ask,
    revoke: async () => {
      const {
        adminTokenFile,
        service: { caFile },
      } = options;
      if (adminTokenFile === undefined) {
        throw new StrongroomError('ERR_RIGHT_MISSING', { right: 'administer' });
      }
      const network = caFile === undefined ? {} : { caFile };
      const at = ownServiceIn(newest, { party, tokenFile: adminTokenFile, ...network });
      const { at: when, epoch } = await endContract(at);
      return { at: when, epoch };
    },
    bundle: () => bundleOf(options, newest, audit, evidence.newest()),
  };
}

const DEBITS_SHOWN = 100;

function authorOf({ contract }: VerifiedContract, party: string) {
  const { id, keyRelease } = partyOf(contract, party);
  const releaseKey = keyRelease?.lease?.statementKey ?? keyRelease?.releaseKey;
  if (releaseKey) return { owner: id, releaseKey };
  throw new StrongroomError('ERR_USAGE', { problem: `${id} owns no dataset of this contract` });
}

function overviewOf(options: OwnerDeskOptions, { contract, contractId }: VerifiedContract) {
  const { party, service, adminTokenFile, data, canReadUses, way } = options;
  const { title, purpose, version, enclave } = contract;
  const own = partyOf(contract, party);
  const revocation = revocationMeaning(contract, own, adminTokenFile !== undefined);
  return {
    party: { id: own.id, name: own.name },
    ...{ contractId, title, purpose, version },
    isSimulated: enclave.platform === 'simulated',
    service: service.vault,
    can: {
      revoke: revocation.instead === undefined,
      readLog: data !== undefined,
      readUses: canReadUses,
      askWorker: way !== undefined,
    },
    revocation,
  };
}

interface KeptAnswer {
  readonly nonce: string;
  readonly askedAt: number;
  readonly answer: EvidenceAnswer;
}

interface KeptEvidence {
  readonly evidence: KeptAnswer;
  /** That its machine was held to. */
  readonly list: CheckedList | null;
}

function createEvidenceDesk({ way, trust }: OwnerDeskOptions) {
  let kept: KeptEvidence | undefined;
  const ask = oneAtATime(async (): Promise<EvidenceFactsOfPage> => {
    const [to, by] = [demanded(way, '--brokers'), demanded(trust, '--brokers')];
    const { clock, contractId } = by;
    const challenge = challengeOf(contractId);
    const at = clock.now();
    const question = {
      ...{ ...by, nonce: challenge.nonce },
      ...{ askedAt: clock.monotonic(), ageMsMax: ANSWER_MS_MAX },
    };
    const { judgement, answer } = await firstAccepted(challenge, question, to);
    const facts = evidenceFacts(judgement, question);
    if (judgement.accepted) {
      // It was judged: what was accepted has the shape of an answer.
      const whole = answer as EvidenceAnswer;
      const list = judgement.verdict?.evidence.facts.revocationList ?? null;
      kept = { evidence: { nonce: challenge.nonce, askedAt: at, answer: whole }, list };
    }
    const counted = (facts.counted ?? []).map(({ dataset, owner, rows, sequences }) => {
      return { dataset, owner, rows, batches: sequences };
    });
    return { accepted: facts.accepted, at, words: evidenceWords(facts), counted };
  });
  return { ask, newest: () => kept };
}

const ANSWER_MS_MAX = 30_000;

/** Everything that others can check. What cannot be had now is left out, and seen to be missing. */
async function bundleOf(
  { signed, data, trust }: OwnerDeskOptions,
  { contract }: VerifiedContract,
  audit: AuditFollower,
  kept: KeptEvidence | undefined,
): Promise<ProofBundle> {
  const { copy, signedAt } = await audit.now();
  const uses = await data?.uses();
  const lists = [kept?.list, ...(uses?.entries ?? []).map(({ worker }) => worker.revocationList)];
  return {
    strongroom: 'proof-bundle/v1',
    owner: partyOf(contract, copy.owner).id,
    madeAt: trust?.clock.now() ?? signedAt,
    contracts: [...signed],
    audit: {
      owner: partyOf(contract, copy.owner).id,
      entries: [...copy.entries],
      heads: [...copy.heads],
    },
    ...(uses && trust ? { uses: copyOf(uses, trust) } : {}),
    ...(kept ? { evidence: kept.evidence } : {}),
    ...carryLists(listsToCarry(lists.filter((list) => list != null))),
  };
}

/** What the server was started without. @throws ERR_USAGE */
function demanded<Value>(value: Value | undefined, option: string): Value {
  if (value !== undefined) return value;
  throw new StrongroomError('ERR_USAGE', { problem: `start the page with ${option}` });
}
