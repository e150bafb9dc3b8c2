// A cache bounded by what its entries cost. It has two halves: what is set or asked for moves to the young one, and when that is full it
// becomes the old one and the former old one is gone. So what is in use stays, and a hit costs no more than a look-up.

interface Entry<V> {
  readonly value: V;
  readonly cost: number;
}

export class BoundedCache<K, V> {
  readonly #halfMax: number;
  readonly #costOf: (value: V) => number;
  #young = new Map<K, Entry<V>>();
  #old = new Map<K, Entry<V>>();
  #youngCost = 0;

  /** Entries cost at most `costMax` together. */
  constructor(costMax: number, costOf: (value: V) => number = () => 1) {
    this.#halfMax = costMax / 2;
    this.#costOf = costOf;
  }

  get(key: K): V | undefined {
    const young = this.#young.get(key);
    if (young !== undefined) return young.value;
    const old = this.#old.get(key);
    if (old === undefined) return undefined;
    this.#put(key, old);
    return old.value;
  }

  set(key: K, value: V): void {
    this.#youngCost -= this.#young.get(key)?.cost ?? 0;
    this.#put(key, { value, cost: this.#costOf(value) });
  }

  delete(key: K): void {
    this.#youngCost -= this.#young.get(key)?.cost ?? 0;
    this.#young.delete(key);
    this.#old.delete(key);
  }

  #put(key: K, entry: Entry<V>): void {
    if (entry.cost > this.#halfMax) {
      this.#young.delete(key);
      this.#old.delete(key);
      return;
    }
    if (this.#youngCost + entry.cost > this.#halfMax) {
      this.#old = this.#young;
      this.#young = new Map();
      this.#youngCost = 0;
    }
    this.#young.set(key, entry);
    this.#youngCost += entry.cost;
  }
}
