import { isIP, type OnReadOpts, Socket } from 'node:net';
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls';
import type { AnswerMemory } from './log.ts';

/**
 * What a broker may send as one answer: a fetch is at most half of what is read ahead and one
 * request's records beside it. The client under us buffers whatever length an answer names, and
 * fails outside of every promise when it names a negative one.
 */
export const ANSWER_BYTES_MAX = 64 * 1024 * 1024;
const LENGTH_BYTES = 4;
/** A correlation id is in every answer. */
const ANSWER_BYTES_MIN = 4;

/**
 * A connection that gives whole answers, each read straight into memory of its length: a fetch in
 * pieces would be copied to be put together. It ends at the first answer of an impossible length,
 * before anybody sees it.
 */
export class FramedSocket extends Socket {
  constructor(memory?: AnswerMemory) {
    const answers = new AnswerReader(memory);
    super({
      onread: { buffer: () => answers.room(), callback: (bytes: number) => this.#take(bytes) },
    });
    this.#answers = answers;
  }

  readonly #answers: AnswerReader;

  /** @returns whether to go on reading */
  #take(bytes: number): boolean {
    return take(this, this.#answers, bytes);
  }
}

/** The same inside of TLS; the certificate has to name the host that was asked for. */
export function connectFramedTls(
  host: string,
  port: number,
  options: ConnectionOptions,
  onConnect: () => void,
  memory?: AnswerMemory,
): TLSSocket {
  const answers = new AnswerReader(memory);
  const reading: ConnectionOptions & { onread: OnReadOpts } = {
    ...options,
    ...{ host, port },
    // RFC 6066 section 3: an address is no name to be told.
    ...(isIP(host) === 0 && { servername: host }),
    onread: {
      buffer: () => answers.room(),
      callback: (bytes: number) => take(socket, answers, bytes),
    },
  };
  const socket: TLSSocket = connect(reading, onConnect);
  return socket;
}

/** @returns whether to go on reading */
function take(socket: Socket, answers: AnswerReader, bytes: number): boolean {
  const answer = answers.filled(bytes);
  if (answer === 'impossible') {
    socket.destroy(new Error('answer of an impossible length'));
    return false;
  }
  return answer === undefined || socket.push(answer);
}

/** Gives the memory for what comes next of a stream of answers, and each answer that is whole. */
export class AnswerReader {
  readonly #memory: Pick<AnswerMemory, 'take'>;
  #answer = Buffer.alloc(LENGTH_BYTES);
  #filled = 0;

  constructor(memory: Pick<AnswerMemory, 'take'> = NEW_MEMORY) {
    this.#memory = memory;
  }

  /** Where the next bytes belong; never empty. */
  room(): Buffer {
    return this.#answer.subarray(this.#filled);
  }

  /**
   * Says that so many bytes were written there.
   * @returns the answer that they complete, with its length in front
   */
  filled(bytes: number): Buffer | 'impossible' | undefined {
    this.#filled += bytes;
    if (this.#filled < this.#answer.length) return undefined;
    const answer = this.#answer;
    const isWhole = answer.length > LENGTH_BYTES;
    const length = isWhole ? 0 : answer.readInt32BE();
    if (!isWhole && (length < ANSWER_BYTES_MIN || length > ANSWER_BYTES_MAX)) return 'impossible';
    // It is given away only when it is full, so nothing is seen of what lay there before.
    this.#answer = bufferOf(this.#memory.take(LENGTH_BYTES + length));
    this.#filled = isWhole ? 0 : answer.copy(this.#answer);
    return isWhole ? answer : undefined;
  }
}

/** Every answer has memory of its own, for whoever keeps it. */
const NEW_MEMORY = { take: (bytes: number) => Buffer.allocUnsafeSlow(bytes) };

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array<ArrayBuffer>) {
  return Buffer.from(buffer, byteOffset, byteLength);
}
