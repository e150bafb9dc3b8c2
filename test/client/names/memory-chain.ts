// A chain client over a chain in memory: what is handed in together makes a block of the real ledger, and reading loads record by record
// what the decision asks for, from the state after the last block. Signatures are those of `World`.

import { expect } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import { StoreError } from '../../../src/base/errors.ts';
import type { Epoch, NetworkId } from '../../../src/base/ids.ts';
import type { Random, Signer } from '../../../src/base/ports.ts';
import type { Answer, ChainClient, Inclusion, Moment, ReadOptions } from '../../../src/client/chain/types.ts';
import { createNameKeys } from '../../../src/client/names/name-cipher.ts';
import { type NamesContext, namesContext } from '../../../src/client/names/context.ts';
import { codecOf } from '../../../src/client/names/name-codec.ts';
import { accountOf } from '../../../src/shards/account.ts';
import { bucketIdOf, bucketOf } from '../../../src/shards/bucket.ts';
import { putEntry } from '../../../src/shards/names.ts';
import { DEFAULT_PARAMETERS, type Parameters, putParameters } from '../../../src/shards/parameters.ts';
import type { Action, SignedTransaction } from '../../../src/shards/transaction.ts';
import { LoadedState, MissingRecords, Overlay } from '../../../src/shards/view.ts';
import { digestFrom } from '../../helpers/records.ts';
import { referenceTo } from '../../shards/storage-samples.ts';
import { Objects } from '../../shards/objects.ts';
import { KINDS } from '../../shards/kinds.ts';
import { NETWORK, signerOf, World } from '../../shards/world.ts';

interface Pending {
  readonly signed: SignedTransaction;
  readonly resolve: (inclusion: Inclusion) => void;
  readonly reject: (error: unknown) => void;
}

export class MemoryChain implements ChainClient {
  readonly network: NetworkId = NETWORK;
  readonly world: World;
  /** How long an answer or a block takes, for instance, so that programs overtake each other. */
  delay: () => Promise<void> = () => Promise.resolve();
  /** What others hand in for the next block: it comes first. */
  others: SignedTransaction[] = [];
  #pending: Pending[] = [];
  #draws = 0;
  readonly #random: Random = { bytes: (length) => digestFrom(`draw ${this.#draws++}`).slice(0, length) };

  constructor(shardBits = 0, owners: readonly string[] = ['ann'], parameters: Partial<Parameters> = {}) {
    const all = { ...DEFAULT_PARAMETERS, ...parameters };
    const { fees, receiptLifetimeBlocks } = all;
    const params = {
      feePerTransaction: fees.perTransaction,
      feePerByte: fees.perByte,
      receiptLifetimeBlocks,
    };
    const balances = Object.fromEntries(owners.map((name) => [name, [[0, 1_000_000n]] as const]));
    this.world = new World({ shardBits, balances, params });
    const founding = new Overlay({ read: () => null });
    putParameters(founding, all);
    // An epoch with its storage members.
    for (const [text, record] of new Objects().memory.records) this.world.records.set(text, record);
    for (const { key, after } of founding.changes()) this.world.records.set(key.text, { key, bytes: after! });
  }

  context(owner = 'ann', secret = `secret of ${owner}`): NamesContext {
    const ports = { chain: this, signer: signerOf(owner), random: this.#random };
    return namesContext(ports, createNameKeys(digestFrom(secret)), KINDS.operations);
  }

  async read<T>(
    decide: (state: Overlay, at: Moment) => T,
    { atLeast = 0, signal }: ReadOptions = {},
  ): Promise<Answer<T>> {
    await this.delay();
    if (signal?.aborted === true) throw new StoreError('ABORTED', 'read: aborted');
    while (this.world.height < atLeast) this.world.step();
    const { height, timeMs } = this.world;
    const moment: Moment = { height, timeMs, epoch: 0 as Epoch };
    const loaded = new LoadedState();
    for (let round = 0; round < 2000; round++) {
      try {
        const value = decide(new Overlay(loaded), moment);
        await this.delay();
        return { ...moment, value };
      } catch (error) {
        if (!(error instanceof MissingRecords)) throw error;
        expect(error.keys.length).toBeGreaterThan(0);
        this.world.load(error.keys, loaded);
      }
    }
    throw new Error('reading asks for more and more');
  }

  async submit(signed: SignedTransaction, _options?: { readonly signal?: AbortSignal }): Promise<Inclusion> {
    await this.delay();
    const { promise, resolve, reject } = Promise.withResolvers<Inclusion>();
    this.#pending.push({ signed, resolve, reject });
    if (this.#pending.length === 1) setImmediate(() => this.#step());
    return promise;
  }

  async perform(_signer: Signer, _actions: readonly Action[]): Promise<readonly Inclusion[]> {
    await Promise.resolve();
    throw new Error('names sign for themselves');
  }

  /** Puts names into a bucket without blocks for it: thousands of them are made. */
  stock({ owner, keys }: NamesContext, bucketName: string, names: readonly string[]): void {
    const id = bucketIdOf(NETWORK, owner, bucketName);
    const state = this.world.state;
    const codec = codecOf(keys, id, bucketOf(state, id)!);
    for (const name of names) {
      const entry = {
        object: referenceTo(name),
        height: 1,
        etag: digestFrom(name).slice(0, 16),
        movingAs: null,
      };
      putEntry(state, id, bucketOf(state, id)!, codec.encode(name), entry, undefined);
    }
    for (const { key, after } of state.changes()) {
      if (after === null) this.world.records.delete(key.text);
      else this.world.records.set(key.text, { key, bytes: after });
    }
  }

  /** A block of everything that waits, in the order of nonces. */
  #step(): void {
    const waiting = this.#pending.sort((a, b) => a.signed.transaction.nonce - b.signed.transaction.nonce);
    this.#pending = [];
    const candidates = waiting.map(({ signed }) => signed);
    const { outcomes } = this.world.step([...this.others, ...candidates]);
    this.others = [];
    const included = new Map(
      outcomes.flatMap((outcome) => (outcome.kind === 'transaction' ? [[toHex(outcome.id), outcome]] : [])),
    );
    for (const { signed, resolve, reject } of waiting) {
      const outcome = included.get(toHex(signed.id));
      const { nonce, sender } = signed.transaction;
      if (outcome !== undefined) resolve({ height: this.world.height, refusal: outcome.refusal });
      else if (accountOf(this.world.state, sender).nonce > nonce) {
        reject(new StoreError('ALREADY_EXISTS', 'another transaction took the nonce'));
      } else void this.submit(signed).then(resolve, reject);
    }
  }
}
