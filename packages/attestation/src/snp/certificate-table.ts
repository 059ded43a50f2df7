import { StrongroomError } from '@strongroom/protocol/errors';

/**
 * The certificate table of an extended guest request (GHCB specification, SNP Extended Guest
 * Request): entries of 24 bytes {GUID 16, offset u32, length u32}, closed by a zero entry; offsets
 * count from the table's start. All of it comes from the host: a hint, which verification proves.
 */
export interface CertificateTable {
  readonly vcek?: Uint8Array;
  readonly vlek?: Uint8Array;
  readonly ask?: Uint8Array;
  readonly ark?: Uint8Array;
}

const ENTRY_BYTES = 24;

/** GUIDs as their bytes lie in memory: the first three groups are little-endian. */
const ROLES: Readonly<Record<string, keyof CertificateTable>> = {
  '8d75da6364e66445adc5f4b93be8accd': 'vcek',
  c24b07a85aa23e48aae639c045a0b8a1: 'vlek',
  '79b3b74aacbbe44fa02f05aef327c782': 'ask',
  a406b4c003a8524997433fb6014cd0ae: 'ark',
};

/** @throws ERR_EVIDENCE_MALFORMED when an entry is repeated or points elsewhere than behind it */
export function parseCertificateTable(table: Uint8Array): CertificateTable {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength);
  const entries = readEntries(view, table);
  if (new Set(entries.map(({ guid }) => guid)).size !== entries.length) {
    throw malformed('certificate-table-repeated');
  }
  const headerBytes = (entries.length + 1) * ENTRY_BYTES;
  let free = headerBytes;
  const found: { -readonly [Role in keyof CertificateTable]: Uint8Array } = {};
  for (const entry of entries.toSorted((left, right) => left.offset - right.offset)) {
    // Numbers hold 53 bits: the sum of two u32 does not wrap around.
    const end = entry.offset + entry.length;
    if (entry.offset < free || end > table.length) throw malformed('certificate-table-range');
    free = end;
    const role = ROLES[entry.guid];
    if (role !== undefined) found[role] = table.slice(entry.offset, end);
  }
  return found;
}

interface Entry {
  readonly guid: string;
  readonly offset: number;
  readonly length: number;
}

function readEntries(view: DataView, table: Uint8Array): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at + ENTRY_BYTES <= table.length; at += ENTRY_BYTES) {
    const raw = table.subarray(at, at + ENTRY_BYTES);
    if (raw.every((byte) => byte === 0)) return entries;
    entries.push({
      guid: Buffer.from(raw.subarray(0, 16)).toString('hex'),
      offset: view.getUint32(at + 16, true),
      length: view.getUint32(at + 20, true),
    });
  }
  throw malformed('certificate-table-end');
}

function malformed(check: string): StrongroomError {
  return new StrongroomError('ERR_EVIDENCE_MALFORMED', { check });
}
