// Handing in transactions, and finding out what came of them. That a transaction is in a block is proven by its path to a verified
// header, that it can be no more by the nonce and height of a proven state. What no header binds is the refusal: whether a transaction
// that is included was done. That is what most of the nodes asked say, so whoever must be sure reads the state.

import { equal, short } from '../../base/bytes.ts';
import { StoreError } from '../../base/errors.ts';
import type { Sha256 } from '../../base/hash.ts';
import type { NodeId } from '../../base/ids.ts';
import { PROVIDERS_ASKED_MAX, SUBMIT_NODES, SUBMIT_PATIENCE_MS } from '../../base/limits.ts';
import { verifyInclusion } from '../../base/merkle.ts';
import type { Clock } from '../../base/ports.ts';
import { accountOf } from '../../shards/account.ts';
import {
  CHAIN_SERVICES,
  decodeSubmitted,
  decodeTransactionReply,
  encodeNothing,
  encodeTransactionRequest,
  SUBMIT_REPLY_LENGTH_MAX,
  TRANSACTION_REPLY_LENGTH_MAX,
} from '../../shards/chain-messages.ts';
import { encodeTransaction, type Operations, type SignedTransaction } from '../../shards/transaction.ts';
import type { LightClient } from './light-client.ts';
import { type NonceUse, userOfNonce } from './nonce-proof.ts';
import { judged, Lie } from './providers.ts';
import type { StateReader } from './reader.ts';
import { TrustLost } from './trust-lost.ts';
import type { Inclusion } from './types.ts';

/** Between two questions about a transaction that nobody shows. */
const LOST_DELAY_MS = 300;
/** How often nobody shows it, before another one is taken to have its nonce. */
const LOST_QUESTIONS = 3;

export interface SubmitterPorts {
  readonly clock: Clock;
  readonly sha256: Sha256;
  readonly light: LightClient;
  readonly reader: StateReader;
  readonly operations: Operations;
}

/** What the nodes asked say, until there are enough of them. */
interface Search {
  /** The first that proved it; undefined when nobody did. */
  readonly found: Promise<Inclusion | undefined>;
  /** Resolves when the first does not show it: before its time where it knows that another took its place. */
  readonly denied: Promise<false>;
  readonly said: Inclusion[];
  /** All have answered. */
  readonly all: Promise<unknown>;
}

export class Submitter {
  readonly #ports: SubmitterPorts;

  constructor(ports: SubmitterPorts) {
    this.#ports = ports;
  }

  /**
   * See `ChainClient.submit`. Refusals of the nodes that it was handed to are thrown with their code. `free`: a height after which its nonce was
   * not used yet, if one is known.
   */
  async submit(signed: SignedTransaction, signal?: AbortSignal, free?: number): Promise<Inclusion> {
    const { reader, operations, light } = this.#ports;
    await light.start(signal);
    const bytes = encodeTransaction(signed, operations);
    const before = free ?? this.#freeNow(signed, signal);
    try {
      await this.#patiently(signal, () => this.#handIn(signed, bytes, signal));
    } catch (error) {
      // Somebody may have taken it all the same. Where another has its nonce, nobody need wonder.
      await this.#throwIfLost(signed, before, signal);
      throw error;
    }
    const search = await this.#await(signed, bytes, before, signal);
    const { height } = (await search.found)!;
    const { sender } = signed.transaction;
    await this.#patiently(signal, () =>
      reader.read((state) => accountOf(state, sender).nonce, readOptions(height, signal)),
    );
    return { height, refusal: (await majorityOf(search)).refusal };
  }

  // ---- Handing in ----------------------------------------------------------------------------------------------

  /** Resolves when one node has taken it, or when it may have been included before. Throws what the last of them says. Each try begins with other nodes. */
  async #handIn(
    signed: SignedTransaction,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
    tries = 0,
  ): Promise<void> {
    const all = this.#ports.light.providers.order();
    const order = turned(all, tries * SUBMIT_NODES).slice(0, PROVIDERS_ASKED_MAX);
    let last: StoreError | undefined;
    /** A node that did not answer may have taken it before others say that the nonce waits. */
    let isOpen = false;
    for (let from = 0; from < order.length; from += SUBMIT_NODES) {
      const some = order.slice(from, from + SUBMIT_NODES);
      const handed = some.map(async (node) => {
        const failure = await this.#handTo(node, signed, bytes, signal);
        isOpen ||= failure !== undefined && !REFUSALS_OF_POOLS.has(failure.code);
        return failure;
      });
      const failure = await firstSuccess(handed);
      if (failure === undefined) return;
      last = telling(last, failure);
      if (last.code === 'ALREADY_EXISTS' && isOpen) return;
      // The nonce is used, or the height has passed: perhaps by this very transaction. The chain tells.
      if (last.code === 'CONDITION_FAILED' || last.code === 'EXPIRED') return;
    }
    throw (
      last ??
      new StoreError('UNREACHABLE', `transaction ${short(signed.id)}: no node of the network is known`)
    );
  }

  /** Undefined when it was taken. */
  async #handTo(
    node: NodeId,
    { id }: SignedTransaction,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<StoreError | undefined> {
    const { providers } = this.#ports.light;
    try {
      const reply = await providers.ask(node, {
        service: CHAIN_SERVICES.submit,
        header: encodeNothing(),
        body: [bytes],
        maxBodyLength: SUBMIT_REPLY_LENGTH_MAX,
        signal,
      });
      if (
        !equal(
          judged(() => decodeSubmitted(reply)),
          id,
        )
      )
        throw new Lie('it took another transaction');
      return undefined;
    } catch (error) {
      if (providers.isLie(node, error))
        return new StoreError('PROTOCOL', `node ${short(node)} gave a false answer`);
      // A refusal says nothing against the node.
      if (error instanceof StoreError && REFUSALS_OF_POOLS.has(error.code)) return error;
      return providers.failure(node, error);
    }
  }

  // ---- Waiting -------------------------------------------------------------------------------------------------

  /** The search that found it. Throws EXPIRED and ALREADY_EXISTS when it is proven that it will not be, UNREACHABLE, ABORTED. */
  async #await(
    signed: SignedTransaction,
    bytes: Uint8Array,
    before: number | Promise<number | undefined>,
    signal: AbortSignal | undefined,
  ): Promise<Search> {
    const { clock, reader } = this.#ports;
    const { sender, nonce, expiresAtHeight } = signed.transaction;
    const what = `transaction ${short(signed.id)}`;
    let free: number | undefined;
    let lost = 0;
    let tries = 0;
    let newest = { height: -1, atMs: clock.monotonic() };
    for (;;) {
      const search = this.#search(
        signed,
        lost === 0 ? SEARCH_WAIT_MS : 0,
        lost === 0 ? SUBMIT_NODES : PROVIDERS_ASKED_MAX,
        signal,
      );
      const isFound = await Promise.race([search.found.then((found) => found !== undefined), search.denied]);
      if (isFound) return search;
      const reading = this.#patiently(signal, () =>
        reader.read((view) => accountOf(view, sender).nonce, readOptions(undefined, signal)),
      );
      // A node that does not show it may only be behind: whoever does ends the wait for the state.
      const state = await Promise.race([reading, shown(search.found)]);
      if (state === 'shown') {
        reading.catch(() => undefined);
        return search;
      }
      const now = clock.monotonic();
      if (state.height > newest.height) newest = { height: state.height, atMs: now };
      if (state.value <= nonce) free = state.height;
      if (state.value > nonce) {
        free ??= await before;
        const user = free === undefined ? undefined : await this.#userOf(signed, free, state.height, signal);
        if (user !== undefined && !equal(user.id, signed.id)) throw overtaken(signed);
        // Those who have not answered may still show it.
        if ((await search.found) !== undefined) return search;
        if (user !== undefined && equal(user.id, signed.id) && lost === LOST_QUESTIONS) {
          throw new StoreError(
            'UNREACHABLE',
            `${what} was included at height ${user.height}, and no node says what came of it`,
          );
        }
        if (++lost > LOST_QUESTIONS) throw overtaken(signed);
        await clock.sleep(LOST_DELAY_MS, signal);
      } else if ((await search.found) !== undefined) {
        return search;
      } else if (state.height >= expiresAtHeight) {
        throw new StoreError('EXPIRED', `${what} was not included up to height ${expiresAtHeight}`);
      } else if (now - newest.atMs > SUBMIT_PATIENCE_MS) {
        throw new StoreError(
          'UNREACHABLE',
          `${what}: the chain has made no block since height ${newest.height}`,
        );
      } else {
        // Those who took it may have been restarted, or may never have passed it on.
        await this.#handIn(signed, bytes, signal, ++tries).catch(throwIfOver);
        // Nodes that answer at once instead of waiting are not asked without pause.
        await clock.sleep(LOST_DELAY_MS, signal);
      }
    }
  }

  /** Throws ALREADY_EXISTS when the chain shows that another transaction has the nonce; ABORTED, TrustLost. */
  async #throwIfLost(
    signed: SignedTransaction,
    before: number | Promise<number | undefined>,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { sender, nonce } = signed.transaction;
    try {
      const { reader } = this.#ports;
      const options = { ...readOptions(undefined, signal), patienceMs: 0 };
      const state = await reader.read((view) => accountOf(view, sender).nonce, options);
      const free = await before;
      if (state.value <= nonce || free === undefined) return;
      const user = await this.#userOf(signed, free, state.height, signal);
      if (user === undefined || equal(user.id, signed.id)) return;
    } catch (error) {
      throwIfOver(error);
      return;
    }
    throw overtaken(signed);
  }

  /** The height of a state in which its nonce is free; never fails. */
  async #freeNow(
    { transaction }: SignedTransaction,
    signal: AbortSignal | undefined,
  ): Promise<number | undefined> {
    try {
      const { reader } = this.#ports;
      const read = await reader.read(
        (view) => accountOf(view, transaction.sender).nonce,
        readOptions(undefined, signal),
      );
      return read.value <= transaction.nonce ? read.height : undefined;
    } catch {
      return undefined;
    }
  }

  /** Undefined also when the blocks cannot be had. */
  async #userOf(
    { transaction }: SignedTransaction,
    free: number,
    used: number,
    signal: AbortSignal | undefined,
  ): Promise<NonceUse | undefined> {
    try {
      return await userOfNonce(this.#ports.light, this.#ports.sha256, transaction, free, used, signal);
    } catch (error) {
      throwIfOver(error);
      return undefined;
    }
  }

  #search(signed: SignedTransaction, waitMs: number, nodes: number, signal: AbortSignal | undefined): Search {
    const said: Inclusion[] = [];
    const { promise: denied, resolve: deny } = Promise.withResolvers<false>();
    const { providers } = this.#ports.light;
    const questions = providers
      .order()
      .slice(0, nodes)
      .map(async (node) => {
        try {
          const inclusion = await this.#askPlace(node, signed, waitMs, signal);
          said.push(inclusion);
          return inclusion;
        } catch (error) {
          if (!providers.isLie(node, error)) providers.failure(node, error);
          if (error instanceof StoreError && error.code === 'NOT_FOUND') deny(false);
          return undefined;
        }
      });
    const found = firstDefined(questions);
    return { found, denied, said, all: Promise.allSettled(questions) };
  }

  /** Throws NOT_FOUND, and Lie when it is not where the node says. */
  async #askPlace(
    node: NodeId,
    { id }: SignedTransaction,
    waitMs: number,
    signal: AbortSignal | undefined,
  ): Promise<Inclusion> {
    const { light, sha256 } = this.#ports;
    const body = await light.providers.ask(node, {
      service: CHAIN_SERVICES.transaction,
      header: encodeTransactionRequest({ id, waitMs }),
      maxBodyLength: TRANSACTION_REPLY_LENGTH_MAX,
      waitMs,
      signal,
    });
    const reply = judged(() => decodeTransactionReply(body, sha256));
    const { header } = reply.light;
    const isThere = verifyInclusion(
      header.transactionsRoot,
      reply.count,
      reply.index,
      id,
      reply.path,
      sha256,
    );
    if (!isThere) throw new Lie('the transaction is not in that block');
    await light.follow(reply.light, node, signal);
    return { height: header.height, refusal: reply.refusal };
  }

  /** What `run` gives, tried again while nobody can be reached or has the state yet. */
  async #patiently<T>(signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
    const { clock } = this.#ports;
    const since = clock.monotonic();
    for (;;) {
      try {
        return await run();
      } catch (error) {
        throwUnlessPassing(error);
        if (clock.monotonic() - since > SUBMIT_PATIENCE_MS) throw error;
        await clock.sleep(LOST_DELAY_MS, signal);
      }
    }
  }
}

/** Resolves when it is, and else never. */
function shown(found: Promise<Inclusion | undefined>): Promise<'shown'> {
  return new Promise((resolve, reject) => {
    found.then((inclusion) => {
      if (inclusion !== undefined) resolve('shown');
    }, reject);
  });
}

function overtaken({ id, transaction }: SignedTransaction): StoreError {
  return new StoreError(
    'ALREADY_EXISTS',
    `transaction ${short(id)}: another one was included with nonce ${transaction.nonce}`,
  );
}

/** How long nodes wait for its inclusion before the nonce is looked at: another transaction may have taken it meanwhile. */
const SEARCH_WAIT_MS = 1_000;
/** Codes by which a node refuses a transaction, as opposed to failing. */
const REFUSALS_OF_POOLS: ReadonlySet<string> = new Set([
  'INVALID_ARGUMENT',
  'INVALID_ENCODING',
  'INVALID_SIGNATURE',
  'WRONG_NETWORK',
  'EXPIRED',
  'CONDITION_FAILED',
  'ALREADY_EXISTS',
  'FULL',
  'BUSY',
]);
const PASSING: ReadonlySet<string> = new Set(['UNREACHABLE', 'TIMEOUT', 'BUSY', 'NOT_FOUND']);

function throwUnlessPassing(error: unknown): void {
  const isPassing = error instanceof StoreError && !(error instanceof TrustLost) && PASSING.has(error.code);
  if (!isPassing) throw error;
}

function turned<T>(list: readonly T[], by: number): readonly T[] {
  const at = list.length === 0 ? 0 : by % list.length;
  return [...list.slice(at), ...list.slice(0, at)];
}

/** What nodes say about a transaction that one of them has taken is of no consequence. */
function throwIfOver(error: unknown): void {
  const isSaid = error instanceof StoreError && !(error instanceof TrustLost) && error.code !== 'ABORTED';
  if (!isSaid) throw error;
}

function readOptions(atLeast: number | undefined, signal: AbortSignal | undefined) {
  return { ...(atLeast === undefined ? {} : { atLeast }), ...(signal === undefined ? {} : { signal }) };
}

/** Undefined as soon as one gives undefined; else what the last one gives. What throws is thrown. */
function firstSuccess(tries: readonly Promise<StoreError | undefined>[]): Promise<StoreError | undefined> {
  return new Promise((resolve, reject) => {
    let left = tries.length;
    let last: StoreError | undefined;
    for (const each of tries) {
      each.then((failure) => {
        left--;
        if (failure !== undefined) last = telling(last, failure);
        if (failure === undefined || left === 0) resolve(failure === undefined ? undefined : last);
      }, reject);
    }
  });
}

/** Of two failures the later, unless only the one before says something of the transaction. */
function telling(before: StoreError | undefined, failure: StoreError): StoreError {
  const isRefusal = ({ code }: StoreError): boolean => REFUSALS_OF_POOLS.has(code);
  return before !== undefined && isRefusal(before) && !isRefusal(failure) ? before : failure;
}

/** Undefined when all are. What throws is thrown. */
function firstDefined<T>(all: readonly Promise<T | undefined>[]): Promise<T | undefined> {
  return new Promise((resolve, reject) => {
    let left = all.length;
    if (left === 0) resolve(undefined);
    for (const each of all) {
      each.then((value) => {
        left--;
        if (value !== undefined || left === 0) resolve(value);
      }, reject);
    }
  });
}

/** What most say; when as many say one thing as another, those who are still to answer are waited for, and then the first counts. */
async function majorityOf({ said, all }: Search): Promise<Inclusion> {
  const [first, ...others] = said;
  if (others.some(({ refusal }) => refusal !== first!.refusal)) await all;
  const votes = new Map<Inclusion['refusal'], number>();
  for (const { refusal } of said) votes.set(refusal, (votes.get(refusal) ?? 0) + 1);
  return said.reduce((best, each) => (votes.get(each.refusal)! > votes.get(best.refusal)! ? each : best));
}
