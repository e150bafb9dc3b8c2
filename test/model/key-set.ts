// A set of 64-bit keys in typed arrays: exact, open addressing, grown by doubling, 8 bytes a slot. It holds hundreds of millions of keys, which
// no Set of the language does.

const LOAD_MAX = 0.7;

export class KeySet {
  size = 0;
  #mask: number;
  #low: Int32Array;
  #high: Int32Array;

  constructor(slotsLog2: number = 12) {
    this.#mask = 2 ** slotsLog2 - 1;
    this.#low = new Int32Array(2 ** slotsLog2);
    this.#high = new Int32Array(2 ** slotsLog2);
  }

  get bytes(): number {
    return 8 * (this.#mask + 1);
  }

  /** Bytes that are in use for a moment when the set grows next. */
  get bytesToGrow(): number {
    return 3 * this.bytes;
  }

  /** Whether the key is new. The key 0, 0 marks an empty slot and must not be added. */
  add(low: number, high: number): boolean {
    let slot = hash(low, high) & this.#mask;
    for (;;) {
      const there = this.#low[slot]!;
      if (there === low && this.#high[slot] === high) return false;
      if (there === 0 && this.#high[slot] === 0) break;
      slot = (slot + 1) & this.#mask;
    }
    this.#low[slot] = low;
    this.#high[slot] = high;
    if (++this.size > LOAD_MAX * (this.#mask + 1)) this.#grow();
    return true;
  }

  #grow(): void {
    const [low, high] = [this.#low, this.#high];
    const slots = 2 * low.length;
    this.#mask = slots - 1;
    this.#low = new Int32Array(slots);
    this.#high = new Int32Array(slots);
    for (let from = 0; from < low.length; from++) {
      if (low[from] === 0 && high[from] === 0) continue;
      let slot = hash(low[from]!, high[from]!) & this.#mask;
      while (this.#low[slot] !== 0 || this.#high[slot] !== 0) slot = (slot + 1) & this.#mask;
      this.#low[slot] = low[from]!;
      this.#high[slot] = high[from]!;
    }
  }
}

export function hash(low: number, high: number): number {
  let mixed = Math.imul(low, 0x9e3779b1) ^ Math.imul(high, 0x85ebca77);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x2c1b3c6d);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0x297a2d39);
  return mixed ^ (mixed >>> 16);
}
