// The digest of everything that happened, in order: two runs of one seed must agree on it, or something in them was not
// decided by the seed.

import { KIND_TAGS } from '../../src/consensus/messages.ts';
import { isSingle } from '../../src/consensus/message-kinds.ts';
import type { Message, VoteValue } from '../../src/consensus/types.ts';

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
    this.add((timeMs * 1000) | 0);
  }

  addText(text: string): void {
    for (let i = 0; i < text.length; i++) this.add(text.charCodeAt(i));
  }

  addMessage(message: Message): void {
    this.add((KIND_TAGS[message.kind] << 24) ^ (message.round << 16) ^ message.height);
    if (message.kind === 'round-certificate') for (const vote of message.votes) this.addMessage(vote);
    else {
      if (isSingle(message)) this.add(message.validator);
      this.#addValue(message.blockId);
    }
  }

  #addValue(value: VoteValue): void {
    if (value === null) this.add(0);
    else {
      const code = (at: number): number => value.charCodeAt(at);
      this.add((code(0) << 24) ^ (code(1) << 16) ^ (code(2) << 8) ^ code(3));
      this.add((code(4) << 24) ^ (code(5) << 16) ^ (code(6) << 8) ^ code(7));
    }
  }

  /** 16 hex digits. */
  toString(): string {
    const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
    return hex(this.#a) + hex(this.#b);
  }
}
