// The inputs that wait for the engine: first in, first out, without moving what waits. How many may wait is the host's to say.

import type { Input } from '../../consensus/types.ts';

export class InputQueue {
  #items: (Input | undefined)[] = [];
  #head = 0;

  get length(): number {
    return this.#items.length - this.#head;
  }

  push(input: Input): void {
    this.#items.push(input);
  }

  shift(): Input | undefined {
    if (this.#head === this.#items.length) return undefined;
    const input = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head > 1024 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return input;
  }
}
