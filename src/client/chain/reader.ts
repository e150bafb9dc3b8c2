// Reading the chain's state: a decision is tried on what is loaded, what it finds missing is loaded with proofs, and it is tried again.
//
// Invariants
//   Every record that a decision sees is of the state after one height, under a header that the light client verified.
//   A reading sees what was finished before it began, as far as the nodes asked know of it, and never less than an earlier one saw.

import { assert } from '../../base/assert.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import { CHAIN_WAIT_MS_MAX, READ_RESTARTS_MAX } from '../../base/limits.ts';
import { equal } from '../../base/bytes.ts';
import { merkleRoot } from '../../base/merkle.ts';
import { epochStateKey } from '../../shards/epoch-state.ts';
import type { Header } from '../../shards/header.ts';
import type { LightBlock } from '../../shards/light-block.ts';
import type { StateKey } from '../../shards/state-key.ts';
import { LoadedState, MissingRecords, Overlay } from '../../shards/view.ts';
import { untilAborted } from '../tasks.ts';
import type { LightClient } from './light-client.ts';
import { NotBegun } from './not-begun.ts';
import { Snapshot } from './snapshot.ts';
import { ReadAhead } from './read-ahead.ts';
import { TrustLost } from './trust-lost.ts';
import type { Answer, Moment, ReadOptions } from './types.ts';

type Decide<T> = (state: Overlay, at: Moment) => T;

/** Heights of headers: `wanted` proves what is asked for, `least` is good enough if it does not come. */
interface Goal {
  readonly wanted: number;
  readonly least: number;
  /** Told when `least` has to be enough though something newer may be missed. */
  readonly onStale?: (reason: StoreError) => void;
}

export class StateReader {
  readonly #light: LightClient;
  readonly #sha256: Sha256;
  readonly #isStrict: boolean;
  /** The newest that was read: what comes next may find its records here. */
  #snapshot: Snapshot | undefined;
  /** On its way, for everybody for whom it is new enough. */
  #opening: { readonly wanted: number; readonly snapshot: Promise<Snapshot> } | undefined;
  readonly #ahead = new ReadAhead();
  /** Height of the highest header that proved something: what comes next is not older. */
  #floor = 0;

  /** With `isStrict` a reading fails rather than that it misses what may have been finished on a chain that then halted. */
  constructor(light: LightClient, sha256: Sha256, isStrict: boolean) {
    this.#light = light;
    this.#sha256 = sha256;
    this.#isStrict = isStrict;
  }

  async read<T>(decide: Decide<T>, options: ReadOptions = {}): Promise<Answer<T>> {
    const { signal, atLeast } = options;
    await this.#light.start(signal);
    const goal = atLeast === undefined ? await this.#newest(options) : this.#notBefore(atLeast + 1);
    for (let left = READ_RESTARTS_MAX; left > 0; left--) {
      const snapshot = await this.#open(decide, goal, signal);
      const answer = await this.#decide(decide, snapshot, signal);
      if (answer !== undefined) return answer;
    }
    throw new StoreError('BUSY', 'no node kept the state for as long as it took to read it', {
      next: 'Try again, or read less at once.',
    });
  }

  /** Undefined when the nodes no longer have the state of the snapshot. */
  async #decide<T>(
    decide: Decide<T>,
    snapshot: Snapshot,
    signal: AbortSignal | undefined,
  ): Promise<Answer<T> | undefined> {
    const { moment, loaded } = snapshot;
    for (;;) {
      if (signal?.aborted === true) throw new StoreError('ABORTED', 'reading the chain: aborted');
      const outcome = attempt(() => decide(new Overlay(this.#ahead.noting(loaded)), moment));
      if (outcome.missing === undefined) return { ...moment, value: outcome.value };
      assert(
        outcome.missing.some((key) => !loaded.has(key)),
        'what a decision misses is not loaded',
      );
      try {
        await snapshot.load(this.#light.providers, outcome.missing, signal);
      } catch (error) {
        unlessNotFound(error);
        if (this.#snapshot === snapshot) this.#snapshot = undefined;
        return undefined;
      }
    }
  }

  // ---- Which state ---------------------------------------------------------------------------------------------

  async #open<T>(decide: Decide<T>, goal: Goal, signal: AbortSignal | undefined): Promise<Snapshot> {
    const kept = this.#snapshot;
    if (kept !== undefined && kept.height >= goal.wanted && !kept.isFull) return kept;
    const opening = this.#opening;
    if (opening !== undefined && opening.wanted >= goal.wanted) {
      const shared = await untilAborted(opening.snapshot, signal ?? NEVER).catch(() => undefined);
      if (shared !== undefined && shared.height >= goal.wanted && !shared.isFull) return shared;
    }
    const own = { wanted: goal.wanted, snapshot: this.#openFor(decide, goal, signal) };
    this.#opening = own;
    try {
      return await own.snapshot;
    } finally {
      if (this.#opening === own) this.#opening = undefined;
    }
  }

  async #openFor<T>(decide: Decide<T>, goal: Goal, signal: AbortSignal | undefined): Promise<Snapshot> {
    const keys = this.#ahead.begin(this.#firstKeys(decide));
    const snapshot = await this.#openAt(keys, goal, signal);
    if (snapshot.height >= this.#floor) this.#snapshot = snapshot;
    this.#floor = Math.max(this.#floor, snapshot.height);
    return snapshot;
  }

  async #openAt(keys: readonly StateKey[], goal: Goal, signal?: AbortSignal): Promise<Snapshot> {
    const { wanted, least, onStale } = goal;
    const open = (height: number, attempts?: number): Promise<Snapshot> => {
      const at = { height, waitMs: CHAIN_WAIT_MS_MAX, ...(attempts === undefined ? {} : { attempts }) };
      return Snapshot.open(this.#light, this.#sha256, keys, at, signal);
    };
    try {
      if (wanted > least) {
        const early = await open(wanted, 2).catch(unlessNotFound);
        if (early !== undefined) return early;
        onStale?.(new StoreError('UNREACHABLE', `no node has the state after height ${wanted - 1} yet`));
      }
      return await open(least);
    } catch (error) {
      unlessNotFound(error);
      // Not the caller's "not found": what was asked for may well be there.
      throw new StoreError('UNREACHABLE', `no node has the state after height ${least - 1} yet`, {
        cause: error,
      });
    }
  }

  /** What the decision asks for first, so that the first request brings it. */
  #firstKeys<T>(decide: Decide<T>): readonly StateKey[] {
    const { height, timeMs } = this.#light.newest;
    const at = this.#snapshot?.moment ?? { height, timeMs, epoch: 0 as Moment['epoch'] };
    const { missing = [] } = attempt(() => decide(new Overlay(new LoadedState()), at));
    return missing.length > 0 ? missing : [epochStateKey()];
  }

  /**
   * A transaction is finished when the header after its block can be had. So nothing finished is missed under the newest header, or under
   * the next one when the newest block has done something: validators make that at once, and if they do not, they have halted.
   */
  async #newest(options: ReadOptions): Promise<Goal> {
    const { onStale } = options;
    const { header } = await this.#head(options);
    const goal = this.#notBefore(header.height);
    if (isIdle(header, this.#sha256)) return goal;
    const wanted = Math.max(goal.wanted, header.height + 1);
    if (!this.#isStrict) return { wanted, least: goal.least };
    return onStale === undefined ? { wanted, least: wanted } : { wanted, least: goal.least, onStale };
  }

  /** What a quorum says, or, with somebody to tell, what few say when there is none. */
  async #head({ signal, onStale, patienceMs }: ReadOptions): Promise<LightBlock> {
    const patience = patienceMs === undefined ? {} : { patienceMs };
    try {
      return await this.#light.headOnceBegun(signal, { ...patience, isForFirst: onStale !== undefined });
    } catch (error) {
      const isAlone = error instanceof StoreError && error.code === 'UNREACHABLE' && this.#isStrict;
      if (!isAlone || error instanceof TrustLost || onStale === undefined) throw error;
      if (error instanceof NotBegun && error.beginning.withBlocks === 0) throw error;
      const head = await this.#light.head(signal, 'few');
      onStale(error);
      return head;
    }
  }

  #notBefore(height: number): Goal {
    const wanted = Math.max(height, this.#floor);
    return { wanted, least: wanted };
  }
}

const NEVER: AbortSignal = new AbortController().signal;

type Outcome<T> =
  | { readonly value: T; readonly missing?: undefined }
  | { readonly missing: readonly StateKey[] };

function attempt<T>(decide: () => T): Outcome<T> {
  try {
    return { value: decide() };
  } catch (error) {
    if (error instanceof MissingRecords) return { missing: error.keys };
    throw error;
  }
}

function unlessNotFound(error: unknown): undefined {
  if (!(error instanceof StoreError) || error.code !== 'NOT_FOUND') throw error;
  return undefined;
}

/** The block carries nothing that was asked for by anybody. */
function isIdle({ transactionsRoot, receiptsRoot, evidenceRoot }: Header, sha256: Sha256): boolean {
  const nothing = merkleRoot([], sha256);
  return [transactionsRoot, receiptsRoot, evidenceRoot].every((root) => equal(root, nothing));
}
