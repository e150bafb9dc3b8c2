// Chance that can be repeated: xoshiro128** over 32-bit words, seeded through splitmix32. Every part of the simulation
// draws from a stream of its own, named by a label, so that one part drawing more does not change what another sees.

import type { Random } from '../../src/base/ports.ts';

const WORD = 2 ** 32;

export class SeededRandom implements Random {
  #a = 0;
  #b = 0;
  #c = 0;
  #d = 0;
  readonly #origin: number;

  constructor(seed: number, label = '') {
    let mixed = mix(Math.floor(seed / WORD) >>> 0, seed >>> 0);
    for (let i = 0; i < label.length; i++) mixed = mix(mixed, label.charCodeAt(i));
    this.#origin = mixed;
    this.#a = mix(mixed, 1);
    this.#b = mix(mixed, 2);
    this.#c = mix(mixed, 3);
    this.#d = mix(mixed, 4) | 1; // never all zero, the one state that xoshiro cannot leave
  }

  /** A stream of its own, the same for the same label whatever was drawn here before. */
  fork(label: string): SeededRandom {
    return new SeededRandom(this.#origin, label);
  }

  /** 32 uniform bits. */
  word(): number {
    const product = Math.imul(this.#b, 5);
    const result = Math.imul((product << 7) | (product >>> 25), 9) >>> 0;
    const shifted = this.#b << 9;
    this.#c ^= this.#a;
    this.#d ^= this.#b;
    this.#b ^= this.#c;
    this.#a ^= this.#d;
    this.#c ^= shifted;
    this.#d = (this.#d << 11) | (this.#d >>> 21);
    return result;
  }

  /** Uniform in [0, 1). */
  unit(): number {
    return this.word() / WORD;
  }

  /** Uniform whole number in [0, count). */
  below(count: number): number {
    return Math.floor(this.unit() * count);
  }

  /** Uniform whole number in [least, most]. */
  between(least: number, most: number): number {
    return least + this.below(most - least + 1);
  }

  chance(probability: number): boolean {
    return this.unit() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)]!;
  }

  /** `count` different ones of `choices`, in drawn order. */
  sample<T>(choices: readonly T[], count: number): T[] {
    const left = [...choices];
    const out: T[] = [];
    while (out.length < count && left.length > 0) out.push(...left.splice(this.below(left.length), 1));
    return out;
  }

  bytes(length: number): Uint8Array {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) out[i] = this.word() >>> 24;
    return out;
  }
}

function mix(state: number, word: number): number {
  let z = (state ^ (word + 0x9e3779b9)) >>> 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) >>> 0;
}
