// The digest of everything that happened, in order: two runs of one seed must agree on it, or something in them was not
// decided by the seed.

import type { Message, VoteValue } from '../../src/consensus/types.ts';

const KINDS: Readonly<Record<Message['kind'], number>> = {
  proposal: 1,
  prevote: 2,
  precommit: 3,
  'polka-certificate': 4,
  'commit-certificate': 5,
  'round-certificate': 6,
};

export class Trace {
  #a = 0x6a09e667;
  #b = 0xbb67ae85;

  add(word: number): void {
    this.#a = Math.imul(this.#a ^ word, 0x9e3779b1);
    this.#a ^= this.#a >>> 15;
    this.#b = (Math.imul(this.#b, 0x85ebca6b) + this.#a) | 0;
    this.#b ^= this.#b >>> 13;
  }

  /** An instant, to the microsecond. */
  addTime(timeMs: number): void {
    this.add(((timeMs * 1000) % 2 ** 32) | 0);
  }

  addText(text: string): void {
    for (let i = 0; i < text.length; i++) this.add(text.charCodeAt(i));
  }

  addMessage(message: Message): void {
    this.add((KINDS[message.kind] << 24) ^ (message.round << 16) ^ message.height);
    if ('validator' in message) this.add(message.validator);
    if (message.kind !== 'round-certificate') this.#addValue(message.blockId);
    else for (const vote of message.votes) this.addMessage(vote);
  }

  #addValue(value: VoteValue): void {
    if (value === null) this.add(0);
    else for (let i = 0; i < 8; i += 2) this.add((value.charCodeAt(i) << 8) | value.charCodeAt(i + 1));
  }

  /** 16 hex digits. */
  toString(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.#a) + hex(this.#b);
  }
}
