import { createHash } from 'node:crypto';
import { joined } from '../x509/write-der.ts';

const PAGE_BYTES = 4_096;
/** PAGE_INFO of the SEV-SNP firmware ABI, table "Layout of the PAGE_INFO Structure". */
const PAGE_INFO_BYTES = 0x70;
const PAGE_TYPE_NORMAL = 1;

/**
 * The launch measurement of an image: firmware's own chain of SHA-384 over PAGE_INFO structures,
 * one a page. The parts (files, say) may have any length; a first page run lists their lengths, so
 * that no two lists of parts fill memory alike.
 * @returns 96 hex digits, what a contract names
 */
export function measureImage(parts: readonly Uint8Array[]): string {
  return Buffer.from(launchDigest(parts)).toString('hex');
}

/** @returns 48 bytes, what a report carries */
export function launchDigest(parts: readonly Uint8Array[]): Uint8Array {
  let digest = new Uint8Array(48);
  let address = 0;
  for (const part of [lengthsOf(parts), ...parts]) {
    for (let at = 0; at < part.length; at += PAGE_BYTES) {
      digest = extend(digest, pageAt(part, at), address);
      address += PAGE_BYTES;
    }
  }
  return digest;
}

function lengthsOf(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(8 * (parts.length + 1));
  const view = new DataView(bytes.buffer);
  const numbers = [parts.length, ...parts.map((part) => part.length)];
  for (const [index, number] of numbers.entries())
    view.setBigUint64(8 * index, BigInt(number), true);
  return bytes;
}

function pageAt(part: Uint8Array, at: number): Uint8Array {
  const page = new Uint8Array(PAGE_BYTES);
  page.set(part.subarray(at, at + PAGE_BYTES));
  return page;
}

/**
 * DIGEST_CUR 48 ‖ CONTENTS 48 ‖ LENGTH u16 ‖ PAGE_TYPE u8 ‖ IMI_PAGE u8 ‖ VMPL3..1 permissions 3 ‖
 * reserved 1 ‖ GPA u64; the next digest is SHA-384 over it.
 */
function extend(current: Uint8Array, page: Uint8Array, address: number): Uint8Array<ArrayBuffer> {
  const rest = new Uint8Array(16);
  const view = new DataView(rest.buffer);
  view.setUint16(0, PAGE_INFO_BYTES, true);
  view.setUint8(2, PAGE_TYPE_NORMAL);
  view.setBigUint64(8, BigInt(address), true);
  return sha384(joined([current, sha384(page), rest]));
}

function sha384(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(createHash('sha384').update(bytes).digest());
}
