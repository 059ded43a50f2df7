import assert from 'node:assert/strict';
import { inspect } from 'node:util';

/**
 * The base of everything that holds key bytes. A secret cannot be serialised by accident, and shows
 * its class name alone when it is printed or logged.
 */
export abstract class Secret {
  toJSON(): never {
    assert.fail(`${this.constructor.name} holds key material and is not serialisable`);
  }

  toString(): string {
    return `[${this.constructor.name}]`;
  }

  [inspect.custom](): string {
    return this.toString();
  }
}
