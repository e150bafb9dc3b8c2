// Exhaustive search of everything that a network, Byzantine validators and the clocks can do to up to three honest validators within
// a number of rounds. A global state is one local state of each; what has been sent, and with it every guard, follows from what the local
// states have said. Breadth first, so that the first violation has a shortest story.
//
// Exact: whole states are compared, and nothing bounds the depth. Taken as one are states that differ by exchanging validators of equal
// power that never propose, or by exchanging the blocks A and B where the code treats both alike (`machine.ts` looks).

import { type Configuration, nameOfValidator } from './configurations.ts';
import { isMet } from './judge.ts';
import { KeySet, hash } from './key-set.ts';
import { DECIDED, FAULT, FIRST, LAST, PRINT, STATE_WORDS, STEP_WORDS, SWAPPED } from './local-table.ts';
import { type Network, areAlike, enough, networkOf } from './network.ts';
import type { Tables } from './tables.ts';
import { type Origin, storyOf } from './trace.ts';
import { BLOCKS, type Facts, nameOf } from './vocabulary.ts';

export interface Limits {
  /** The search stops, incomplete, before its tables take more. */
  readonly memoryBytes: number;
}

export interface Exploration {
  readonly configuration: Configuration;
  readonly states: number;
  readonly transitions: number;
  /** Longest of the shortest ways to a state, in steps that others can see. */
  readonly depth: number;
  readonly isComplete: boolean;
  /** The first that was found; what it takes to go on is a repaired engine. */
  readonly violation: string | undefined;
  readonly trace: readonly string[];
  /** States in which somebody, and in which everybody who takes steps, can decide. */
  readonly decisions: number;
  readonly finals: number;
  readonly disagreements: number;
  /** Sum over all states of a fingerprint of what they have said: the same whenever the same was explored. */
  readonly digest: string;
}

/** Told of each state in which two honest validators can decide differently; answers what is wrong with it, if anything. */
export type OnDisagreement = (locals: readonly number[], decidable: readonly number[]) => string | undefined;

export interface ExploreOptions {
  readonly limits: Limits;
  /** Without it, a disagreement is a violation. */
  readonly onDisagreement?: (network: Network) => OnDisagreement;
  /** Whether nothing is taken as one: the dumb twin of the search. */
  readonly isPlain?: boolean;
  /** Told of every state when it is first reached, by the local state of each slot. */
  readonly onState?: (locals: readonly number[], network: Network) => void;
}

export function explore(tables: Tables, configuration: Configuration, options: ExploreOptions): Exploration {
  const network = networkOf(tables, configuration);
  const found = new Search(tables, network, options, undefined).run();
  if (found.violation === undefined) return found;
  // Again, this time with a way back from every state.
  return { ...found, trace: new Search(tables, network, options, new Map()).run().trace };
}

const LOCAL_BITS = 21;
const LOCAL_MASK = 2 ** LOCAL_BITS - 1;
const LOCALS_MAX = LOCAL_MASK - 1;
const CHECK_EVERY = 0xfff;
const NO_STATE = new Int32Array(STATE_WORDS);

class Search {
  readonly #tables: Tables;
  readonly #network: Network;
  readonly #options: ExploreOptions;
  readonly #onDisagreement: OnDisagreement | undefined;
  readonly #origins: Map<string, Origin> | undefined;
  readonly #marks: number;
  readonly #canSwap: boolean;
  readonly #alike01: boolean;
  readonly #alike12: boolean;
  readonly #alike02: boolean;
  readonly #seen = new KeySet();
  readonly #target = [-1, -1, -1];
  readonly #swapped = [-1, -1, -1];
  readonly #decidable = [0, 0, 0];
  #nextLow = new Int32Array(1024);
  #nextHigh = new Int32Array(1024);
  #nextSize = 0;
  #transitions = 0;
  #decisions = 0;
  #finals = 0;
  #disagreements = 0;
  #digestLow = 0;
  #digestHigh = 0;
  #violation: string | undefined;
  #violatedAt = '';

  constructor(
    tables: Tables,
    network: Network,
    options: ExploreOptions,
    origins: Map<string, Origin> | undefined,
  ) {
    const isExact = origins !== undefined || options.isPlain === true;
    this.#tables = tables;
    this.#network = network;
    this.#options = options;
    this.#onDisagreement = options.onDisagreement?.(network);
    this.#origins = origins;
    this.#marks = tables.vocabulary.markMask;
    this.#canSwap = !isExact;
    this.#alike01 = !isExact && areAlike(network, 0, 1);
    this.#alike12 = !isExact && areAlike(network, 1, 2);
    this.#alike02 = !isExact && areAlike(network, 0, 2);
  }

  run(): Exploration {
    for (const slot of this.#network.rows.keys()) this.#target[slot] = 0;
    this.#arrive('');
    let [low, high] = [new Int32Array(1024), new Int32Array(1024)];
    let depth = -1;
    let isComplete = true;
    while (this.#nextSize > 0 && isComplete && this.#violation === undefined) {
      [low, high, this.#nextLow, this.#nextHigh] = [this.#nextLow, this.#nextHigh, low, high];
      const size = this.#nextSize;
      this.#nextSize = 0;
      depth++;
      for (let at = 0; at < size && isComplete && this.#violation === undefined; at++) {
        this.#visit(low[at]!, high[at]!);
        const bytes = this.#seen.bytesToGrow + 8 * (low.length + 3 * this.#nextLow.length);
        if ((at & CHECK_EVERY) === 0) isComplete = bytes <= this.#options.limits.memoryBytes;
      }
    }
    return this.#result(depth, isComplete && this.#violation === undefined);
  }

  #result(depth: number, isComplete: boolean): Exploration {
    const origins = this.#origins;
    return {
      configuration: this.#network.configuration,
      states: this.#seen.size,
      transitions: this.#transitions,
      depth,
      isComplete,
      violation: this.#violation,
      trace:
        origins === undefined
          ? []
          : storyOf(this.#network, this.#tables.vocabulary, origins, this.#violatedAt),
      decisions: this.#decisions,
      finals: this.#finals,
      disagreements: this.#disagreements,
      digest: hex(this.#digestLow) + hex(this.#digestHigh),
    };
  }

  /** All steps from a state. */
  #visit(low: number, high: number): void {
    const { rows, quorum, weak, lies } = this.#network;
    const target = this.#target;
    const a = (low & LOCAL_MASK) - 1;
    const b = (((low >>> LOCAL_BITS) | (high << (32 - LOCAL_BITS))) & LOCAL_MASK) - 1;
    const c = (high >>> (2 * LOCAL_BITS - 32)) - 1;
    const states0 = rows[0]!.states;
    const states1 = b < 0 ? NO_STATE : rows[1]!.states;
    const states2 = c < 0 ? NO_STATE : rows[2]!.states;
    const at0 = a * STATE_WORDS;
    const at1 = b < 0 ? 0 : b * STATE_WORDS;
    const at2 = c < 0 ? 0 : c * STATE_WORDS;
    const said0 = states0[at0]!;
    const said1 = states1[at1]!;
    const said2 = states2[at2]!;
    const marks = this.#marks;
    const proposals = ((said0 | said1 | said2) & ~marks) | lies | (enough(weak, said0, said1, said2) & marks);
    const prevotes = enough(quorum, states0[at0 + 1]!, states1[at1 + 1]!, states2[at2 + 1]!);
    const precommits = enough(quorum, states0[at0 + 2]!, states1[at1 + 2]!, states2[at2 + 2]!);
    for (let slot = 0; slot < rows.length; slot++) {
      const row = rows[slot]!;
      const at = (slot === 0 ? a : slot === 1 ? b : c) * STATE_WORDS;
      const decided = row.states[at + DECIDED]!;
      this.#decidable[slot] = decided === 0 ? 0 : 1 << decided;
      const last = row.states[at + LAST]!;
      for (let step = row.states[at + FIRST]!; step < last; step++) {
        const steps = row.steps;
        const word = step * STEP_WORDS;
        const needsProposals = steps[word]!;
        const needsPrevotes = steps[word + 1]!;
        const needsPrecommits = steps[word + 2]!;
        if ((proposals & needsProposals) !== needsProposals) continue;
        if ((prevotes & needsPrevotes) !== needsPrevotes) continue;
        if ((precommits & needsPrecommits) !== needsPrecommits) continue;
        this.#transitions++;
        const next = steps[word + 3]!;
        const open = steps[word + 4]!;
        if (next < 0) {
          this.#decidable[slot]! |= 1 << -next;
          if (open !== 0) this.#checkOpen(slot, open, { proposals, prevotes, precommits }, key(low, high));
          continue;
        }
        target[0] = a;
        target[1] = b;
        target[2] = c;
        target[slot] = next;
        const arrived = this.#arrive(this.#origins === undefined ? '' : key(low, high), slot, step);
        if (open !== 0) this.#checkOpen(slot, open, { proposals, prevotes, precommits }, arrived);
        if (row.states[next * STATE_WORDS + FAULT] !== 0)
          this.#report(`${this.#name(slot)}: ${row.local.historyOf(next).fault}`, arrived);
      }
    }
    this.#checkDecisions(a, b, c, low, high);
  }

  /** Adds the state `target`; returns its key when ways back are kept. */
  #arrive(from: string, slot: number = 0, step: number = 0): string {
    const target = this.#target;
    const swapped = this.#swapped;
    const { rows } = this.#network;
    let canSwap = this.#canSwap;
    for (let at = 0; at < rows.length; at++) {
      const row = rows[at]!;
      const local = target[at]!;
      const word = local * STATE_WORDS;
      if (word + LAST >= row.states.length || row.states[word + LAST]! < 0) row.fill(local);
      swapped[at] = row.states[word + SWAPPED]!;
      if (swapped[at]! < 0) canSwap = false;
    }
    this.#sort(target);
    if (canSwap) {
      this.#sort(swapped);
      if (isLess(swapped, target)) {
        for (let at = 0; at < rows.length; at++) {
          target[at] = swapped[at]!;
          rows[at]!.fill(target[at]!);
        }
      }
    }
    // One is added, so that no state is the empty key.
    const b = target[1]! + 1;
    const low = (target[0]! + 1) | (b << LOCAL_BITS);
    const high = (b >>> (32 - LOCAL_BITS)) | ((target[2]! + 1) << (2 * LOCAL_BITS - 32));
    if (!this.#seen.add(low, high)) return '';
    this.#push(low, high);
    this.#addPrint();
    this.#options.onState?.(target.slice(0, rows.length), this.#network);
    if (this.#origins === undefined) return '';
    this.#origins.set(key(low, high), { from, slot, step });
    return key(low, high);
  }

  /** Alike for states that are taken as one, whichever of them stands for the others. */
  #addPrint(): void {
    let [own, other] = [0, 0];
    for (const [slot, row] of this.#network.rows.entries()) {
      const local = this.#target[slot]!;
      if (local > LOCALS_MAX) throw new Error('more local states than a global state has room for');
      const swapped = row.states[local * STATE_WORDS + SWAPPED]!;
      own = (own + hash(row.states[local * STATE_WORDS + PRINT]!, row.pattern + 1)) | 0;
      if (swapped < 0) continue;
      row.fill(swapped);
      other = (other + hash(row.states[swapped * STATE_WORDS + PRINT]!, row.pattern + 1)) | 0;
    }
    const print = this.#canSwap ? (hash(own, 1) + hash(other, 1)) | 0 : hash(own, 1);
    this.#digestLow = (this.#digestLow + hash(print, 2)) | 0;
    this.#digestHigh = (this.#digestHigh + hash(print, 3)) | 0;
  }

  #sort(locals: number[]): void {
    if (this.#alike01 && locals[0]! > locals[1]!) exchange(locals, 0, 1);
    if (this.#alike12 && locals[1]! > locals[2]!) {
      exchange(locals, 1, 2);
      if (this.#alike01 && locals[0]! > locals[1]!) exchange(locals, 0, 1);
    }
    if (this.#alike02 && !this.#alike12 && locals[0]! > locals[2]!) exchange(locals, 0, 2);
  }

  #push(low: number, high: number): void {
    if (this.#nextSize === this.#nextLow.length) {
      this.#nextLow = doubled(this.#nextLow);
      this.#nextHigh = doubled(this.#nextHigh);
    }
    this.#nextLow[this.#nextSize] = low;
    this.#nextHigh[this.#nextSize++] = high;
  }

  #checkOpen(slot: number, open: number, facts: Facts, at: string): void {
    const unmet = this.#network.rows[slot]!.obligations[open]!.find(
      (obligation) => !isMet(obligation, facts),
    );
    if (unmet !== undefined) this.#report(`${this.#name(slot)} ${unmet.text}`, at);
  }

  #checkDecisions(a: number, b: number, c: number, low: number, high: number): void {
    const decidable = this.#decidable;
    const all = decidable[0]! | decidable[1]! | decidable[2]!;
    if (all === 0) return;
    this.#decisions++;
    const { rows } = this.#network;
    if (rows.every((_, slot) => decidable[slot] !== 0)) this.#finals++;
    if ((all & (all - 1)) === 0 || !disagree(decidable)) return;
    this.#disagreements++;
    const text =
      this.#onDisagreement === undefined
        ? `agreement: ${rows.map((_, slot) => this.#decisionText(slot)).join(', ')}`
        : this.#onDisagreement([a, b, c].slice(0, rows.length), decidable);
    if (text !== undefined) this.#report(text, key(low, high));
  }

  #decisionText(slot: number): string {
    const blocks = BLOCKS.filter((_, index) => ((this.#decidable[slot]! >> (index + 1)) & 1) === 1).map(
      nameOf,
    );
    return `${this.#name(slot)} can decide ${blocks.join(' or ') || 'nothing'}`;
  }

  #name(slot: number): string {
    return nameOfValidator(this.#network.active[slot]!);
  }

  #report(text: string, at: string): void {
    this.#violation ??= text;
    this.#violatedAt ||= at;
  }
}

/** Whether two different validators can decide two different blocks. */
function disagree(decidable: readonly number[]): boolean {
  return decidable.some((own, slot) =>
    decidable.some(
      (other, at) => at > slot && own !== 0 && other !== 0 && (own !== other || (own & (own - 1)) !== 0),
    ),
  );
}

function isLess(a: readonly number[], b: readonly number[]): boolean {
  if (a[0] !== b[0]) return a[0]! < b[0]!;
  return a[1] === b[1] ? a[2]! < b[2]! : a[1]! < b[1]!;
}

function exchange(locals: number[], a: number, b: number): void {
  const held = locals[a]!;
  locals[a] = locals[b]!;
  locals[b] = held;
}

function doubled(array: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * array.length);
  larger.set(array);
  return larger;
}

const key = (low: number, high: number): string => `${low},${high}`;
const hex = (word: number): string => (word >>> 0).toString(16).padStart(8, '0');
