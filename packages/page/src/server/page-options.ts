import { type Command, InvalidArgumentError } from 'commander';

/** Where a page is listened for: the same options of every command that serves one. */
export function addPageOptions(command: Command, port: number): Command {
  return command
    .option('--host <address>', 'where to listen; others than this machine need TLS', '127.0.0.1')
    .option('--port <number>', '0: any that is free', portNumber, port)
    .option('--host-name <name...>', 'further names under which the page may be asked for')
    .option('--tls-cert <file>', 'certificate chain in PEM')
    .option('--tls-key <file>', 'its private key')
    .option('--open', 'open it in the browser of this machine, from a terminal');
}

function portNumber(text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port < 65_536) return port;
  throw new InvalidArgumentError('a port, 0 to 65535');
}
