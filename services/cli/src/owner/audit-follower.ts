import type { AuditEntry } from '@strongroom/protocol/audit';
import { AuditEntrySchema } from '@strongroom/protocol/audit';
import { codeOf } from '@strongroom/protocol/errors';
import {
  type AuditAuthor,
  brokenAt,
  verifyAuditHead,
  verifyAuditLog,
} from '@strongroom/sealing/audit';
import { createMerkleTree } from '@strongroom/sealing/merkle-tree';
import { type AuditCopy, askAuditEntries, askAuditHead } from '../audit-copy.ts';
import type { VaultOptions } from '../vault-client.ts';

/** What the service's audit log said when it was last asked, verified. */
export interface FollowedAudit {
  readonly entries: readonly AuditEntry[];
  readonly root: string;
  readonly signedAt: number;
  /** As `strongroom audit verify` reads it. */
  readonly copy: AuditCopy;
}

/**
 * Follows an audit log: what was seen once has to stay, so a service that rewrites an entry, or
 * takes one back, is found out for as long as this runs. Reading it leaves no entry.
 */
export class AuditFollower {
  readonly #vault: VaultOptions;
  readonly #author: AuditAuthor;
  readonly #tree = createMerkleTree();
  readonly #texts: string[] = [];
  readonly #entries: AuditEntry[] = [];
  #head = { jws: '', root: '', at: 0 };
  /** A log that was broken once is not believed again. */
  #broken: unknown;
  #asking: Promise<FollowedAudit> | undefined;

  constructor(vault: VaultOptions, author: AuditAuthor) {
    this.#vault = vault;
    this.#author = author;
  }

  /** @throws ERR_AUDIT_BROKEN, ERR_AUDIT_HEAD_INVALID, ERR_SERVICE_UNREACHABLE, its own codes */
  now(): Promise<FollowedAudit> {
    this.#asking ??= this.#catchUp().finally(() => {
      this.#asking = undefined;
    });
    return this.#asking;
  }

  async #catchUp(): Promise<FollowedAudit> {
    if (this.#broken !== undefined) throw this.#broken;
    const { head: jws } = await askAuditHead(this.#vault);
    const head = await verifyAuditHead(jws, this.#author);
    const known = this.#texts.length;
    const fresh: string[] = [];
    for await (const page of askAuditEntries(this.#vault, known, head.size)) fresh.push(...page);
    try {
      if (head.size < known) throw brokenAt(head.size, 'truncated', known);
      const heads = { count: 1, at: () => Promise.resolve(head) };
      const { tree, covered } = await verifyAuditLog(fresh, heads, { tree: this.#tree, heads: 0 });
      if (covered < tree.size) throw brokenAt(covered, 'unsigned', tree.size);
    } catch (error) {
      if (codeOf(error) === 'ERR_AUDIT_BROKEN') this.#broken = error;
      throw error;
    }
    this.#texts.push(...fresh);
    this.#entries.push(...fresh.map((text) => AuditEntrySchema.parse(JSON.parse(text))));
    this.#head = { jws, root: head.root, at: head.at };
    return this.#followed();
  }

  #followed(): FollowedAudit {
    const { jws, root, at } = this.#head;
    const copy = { owner: this.#author.owner, entries: this.#texts, heads: [jws] };
    return { entries: this.#entries, root, signedAt: at, copy };
  }
}
