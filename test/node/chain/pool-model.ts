// The pool once more, as a list that is searched from end to end for everything.

import { toHex } from '../../../src/base/bytes.ts';
import type { PoolLimits } from '../../../src/node/chain/transaction-pool.ts';
import type { AdmissionFacts } from '../../../src/node/chain/pool-admission.ts';
import type { Included, AccountNow } from '../../../src/node/chain/transaction-pool.ts';
import type { SignedTransaction } from '../../../src/shards/transaction.ts';

interface Entry {
  readonly signed: SignedTransaction;
  readonly arrival: number;
}

const senderOf = ({ signed }: Entry): string => toHex(signed.transaction.sender);
const nonceOf = ({ signed }: Entry): number => signed.transaction.nonce;

/** Negative when `a` pays less for a byte. */
const cheaper = (a: SignedTransaction, b: SignedTransaction): number =>
  Number(a.transaction.fee * BigInt(b.lengthBytes) - b.transaction.fee * BigInt(a.lengthBytes));

export class PoolModel {
  readonly #limits: PoolLimits;
  entries: Entry[] = [];
  #next = new Map<string, number>();
  #height = 0;
  #arrivals = 0;

  constructor(limits: PoolLimits) {
    this.#limits = limits;
  }

  /** `added`, `replaced`, `known`, or the code of a refusal. */
  add(signed: SignedTransaction, facts: AdmissionFacts): string {
    if (this.entries.some((entry) => toHex(entry.signed.id) === toHex(signed.id))) return 'known';
    const { nonce, fee, expiresAtHeight } = signed.transaction;
    const sender = toHex(signed.transaction.sender);
    this.#height = Math.max(this.#height, facts.height);
    this.#advance(sender, facts.nonce);
    const next = this.#nextOf(sender, facts.nonce);
    if (expiresAtHeight <= this.#height) return 'EXPIRED';
    if (expiresAtHeight > this.#height + this.#limits.lifetimeBlocks) return 'INVALID_ARGUMENT';
    if (nonce < next) return 'CONDITION_FAILED';
    if (nonce - next >= this.#limits.accountTransactions) return 'BUSY';
    if (fee < facts.leastFee) return 'INVALID_ARGUMENT';
    const own = this.#of(sender);
    const rival = own.find((entry) => nonceOf(entry) === nonce);
    if (rival !== undefined) {
      const old = rival.signed.transaction.fee;
      if (fee <= old || fee * 10n < old * 11n || cheaper(signed, rival.signed) < 0) return 'ALREADY_EXISTS';
    }
    const fees = feesOf(own.filter((entry) => entry !== rival)) + fee;
    if (facts.balance !== undefined && fees > facts.balance) return 'INVALID_ARGUMENT';
    return this.#fit({ signed, arrival: this.#arrivals++ }, rival, next);
  }

  #fit(newcomer: Entry, rival: Entry | undefined, next: number): string {
    const before = this.entries;
    const sender = senderOf(newcomer);
    const nextBefore = new Map(this.#next);
    this.#next.set(sender, next);
    this.entries = [...before.filter((entry) => entry !== rival), newcomer];
    const refused = (code: string): string => {
      this.entries = before;
      this.#next = nextBefore;
      return code;
    };
    for (;;) {
      if (bytesOf(this.#of(sender)) > this.#limits.accountBytes) {
        const last = this.#of(sender).at(-1)!;
        if (last === newcomer) return refused('BUSY');
        this.#drop(last);
      } else if (
        this.entries.length > this.#limits.transactions ||
        bytesOf(this.entries) > this.#limits.bytes
      ) {
        const worst = this.#lasts().sort((a, b) => this.#byLoss(a, b))[0]!;
        if (worst === newcomer) return refused('FULL');
        this.#drop(worst);
      } else return rival === undefined ? 'added' : 'replaced';
    }
  }

  committed(height: number, included: readonly Included[], accounts: readonly AccountNow[]): void {
    this.#height = Math.max(this.#height, height);
    for (const { sender, nonce } of included) this.#advance(toHex(sender), nonce + 1);
    for (const { sender, nonce } of accounts) this.#advance(toHex(sender), nonce);
    for (const entry of this.entries) {
      if (entry.signed.transaction.expiresAtHeight <= this.#height) this.#drop(entry);
    }
    for (const { sender, balance } of accounts) {
      if (balance === undefined) continue;
      let own = this.#of(toHex(sender));
      while (feesOf(own) > balance) {
        this.#drop(own.at(-1)!);
        own = own.slice(0, -1);
      }
    }
  }

  candidates(limitBytes: number, limitCount: number): readonly SignedTransaction[] {
    const chosen: SignedTransaction[] = [];
    const held = new Set<string>();
    let bytes = 0;
    const offered = this.entries.filter((entry) => this.isReady(entry)).sort((a, b) => this.#byOffer(a, b));
    for (const entry of offered) {
      if (held.has(senderOf(entry)) || chosen.length >= limitCount) continue;
      if (bytes + entry.signed.lengthBytes > limitBytes) held.add(senderOf(entry));
      else {
        chosen.push(entry.signed);
        bytes += entry.signed.lengthBytes;
      }
    }
    return chosen;
  }

  /** All nonces from the next one on are there. */
  isReady(entry: Entry): boolean {
    const next = this.#nextOf(senderOf(entry), 0);
    return this.#upTo(entry).length === nonceOf(entry) - next + 1;
  }

  /** The one of the sender's up to it that pays least for a byte. */
  price(entry: Entry): SignedTransaction {
    return this.#upTo(entry)
      .map(({ signed }) => signed)
      .reduce((least, signed) => (cheaper(signed, least) < 0 ? signed : least));
  }

  #turn(entry: Entry): number {
    const price = this.price(entry);
    return this.#upTo(entry).filter((earlier) => cheaper(this.price(earlier), price) === 0).length;
  }

  #byOffer(a: Entry, b: Entry): number {
    return cheaper(this.price(b), this.price(a)) || this.#turn(a) - this.#turn(b) || a.arrival - b.arrival;
  }

  #byLoss(a: Entry, b: Entry): number {
    return (
      Number(this.isReady(a)) - Number(this.isReady(b)) ||
      cheaper(this.price(a), this.price(b)) ||
      this.#shareWithout(b) - this.#shareWithout(a) ||
      b.arrival - a.arrival
    );
  }

  /** In thousandths of the least part that counts, so that it is a whole number. */
  #shareWithout(entry: Entry): number {
    const rest = this.#of(senderOf(entry)).filter((other) => other !== entry);
    return Math.max(rest.length * this.#limits.bytes, bytesOf(rest) * this.#limits.transactions);
  }

  #lasts(): Entry[] {
    return this.entries.filter((entry) => this.#of(senderOf(entry)).at(-1) === entry);
  }

  #upTo(entry: Entry): Entry[] {
    return this.#of(senderOf(entry)).filter((other) => nonceOf(other) <= nonceOf(entry));
  }

  #of(sender: string): Entry[] {
    return this.entries.filter((entry) => senderOf(entry) === sender).sort((a, b) => nonceOf(a) - nonceOf(b));
  }

  /** Known of those only of whom something waits. */
  #nextOf(sender: string, otherwise: number): number {
    return this.#next.get(sender) ?? otherwise;
  }

  #advance(sender: string, next: number): void {
    if (next <= this.#nextOf(sender, Number.POSITIVE_INFINITY)) return;
    this.#next.set(sender, next);
    for (const entry of this.#of(sender)) if (nonceOf(entry) < next) this.#drop(entry);
  }

  #drop(gone: Entry): void {
    this.entries = this.entries.filter((entry) => entry !== gone);
    if (this.#of(senderOf(gone)).length === 0) this.#next.delete(senderOf(gone));
  }
}

const feesOf = (entries: readonly Entry[]): bigint =>
  entries.reduce((sum, { signed }) => sum + signed.transaction.fee, 0n);

export function bytesOf(entries: readonly Entry[]): number {
  return entries.reduce((sum, { signed }) => sum + signed.lengthBytes, 0);
}
