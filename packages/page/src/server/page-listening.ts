import process from 'node:process';
import { StrongroomError } from '@strongroom/protocol/errors';
import { readTextFile } from '@strongroom/runtime/files';
import type { ServiceContext } from '@strongroom/runtime/shutdown';
import { notOpenedText, openBrowser } from './open-browser.ts';

/** Where a page is listened for, by the options of the command that serves it. */
export interface ListeningOptions {
  readonly host: string;
  readonly port: number;
  readonly hostName?: readonly string[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly open?: boolean;
}

/** Says on stderr why no browser was opened, where somebody asked for one. */
export async function openIfAsked(
  { open }: ListeningOptions,
  address: string,
  { onShutdown }: Pick<ServiceContext, 'onShutdown'>,
): Promise<void> {
  if (!open) return;
  const why = await openBrowser(address, onShutdown);
  if (why !== undefined) process.stderr.write(notOpenedText(why));
}

/** Names under which the page may be asked for, beside those of this machine. */
export function hostNamesOf({ host, hostName = [] }: ListeningOptions): string[] {
  return [host, ...hostName].map((name) => name.toLowerCase());
}

/** @throws ERR_USAGE for one without the other: never plain HTTP where somebody meant TLS */
export async function readPageTls({ tlsCert, tlsKey }: ListeningOptions) {
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) {
    throw new StrongroomError('ERR_USAGE', { problem: '--tls-cert and --tls-key go together' });
  }
  return { cert: await readTextFile(tlsCert), key: await readTextFile(tlsKey) };
}

/** Whether nobody but this machine reaches what listens there. */
export function isThisMachine(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
