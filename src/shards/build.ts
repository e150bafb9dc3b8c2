// Making a block: which of the waiting receipts and transactions it has. Everything is tried in the order in which it will be executed,
// by the very code that checks blocks, so what comes out is valid, and what it does is known: whoever made a block need not execute it.
//
// Transactions go by what they pay for each byte, and those of one sender by nonce: one that pays little holds back those behind
// it. What is no part of a valid block now, or would only be refused because a lane is full, is left out and stays in the pool.

import { assert } from '../base/assert.ts';
import { compare, toHex } from '../base/bytes.ts';
import { StoreError } from '../base/errors.ts';
import {
  BLOCK_HEADER_LENGTH_MAX,
  BLOCK_LENGTH_MAX,
  RECEIPTS_PER_BLOCK_MAX,
  TRANSACTIONS_PER_BLOCK_MAX,
} from '../base/limits.ts';
import { encodeEvidence } from '../consensus/evidence.ts';
import { encodeMessage } from '../consensus/messages.ts';
import { validatorSetDigest } from '../consensus/validator-set.ts';
import {
  type ChainContext,
  contextOf,
  type Missing,
  notLoaded,
  parentRoots,
  touchesOfRules,
} from './apply.ts';
import { type Block, type BlockBody, sealBlock } from './block.ts';
import { dispatch, type ProveKey } from './dispatch.ts';
import { shardsRootOf, stateRootOf } from './header.ts';
import { encodeReclaim } from './inbox.ts';
import type { BlockContext } from './operation.ts';
import { encodeParcel } from './parcel.ts';
import type { BlockInputs } from './rules.ts';
import { type Executed, Session, touchesOfMessage, touchesOfTransaction } from './session.ts';
import type { StateKey } from './state-key.ts';
import type { SignedTransaction } from './transaction.ts';
import { type LoadedState, MissingRecords } from './view.ts';

/** What the maker of a block brings. */
export interface Ingredients extends BlockInputs {
  /** Later than the parent's. */
  readonly timeMs: number;
  /** Of the pool, in any order. */
  readonly candidates: readonly SignedTransaction[];
  readonly proveKey: ProveKey;
  /** Receipts that the block takes at most; as many as a block may have when it is not said. */
  readonly receiptsMax?: number;
}

/** `executed` is what applying the block gives. */
export type Built = { readonly kind: 'built'; readonly block: Block; readonly executed: Executed };

/** Bytes of a list entry in front of the bytes of the entry, and of the lists around them. */
const ENTRY_LENGTH = 5;
const FRAME_LENGTH: number = BLOCK_HEADER_LENGTH_MAX + 64;

/** Throws INVALID_ARGUMENT when the ingredients other than transactions break a rule. */
export function buildBlock(
  state: LoadedState,
  ingredients: Ingredients,
  context: ChainContext,
): Missing | Built {
  const { rules, params, parent, isBorder } = context;
  const block = contextOf(context, { height: parent.height + 1, timeMs: ingredients.timeMs });
  const candidates = inOrder(ingredients.candidates);
  const missing = notLoaded(state, [
    ...touchesOfRules(ingredients, block, rules, isBorder),
    ...candidates.flatMap((signed) => touchesOfTransaction(signed, block, rules)),
  ]);
  if (missing.length > 0) return { kind: 'missing', keys: missing };
  try {
    const session = new Session(state, block, rules, params, parentRoots(parent));
    const body = new Builder(state, session, block, context).build(ingredients, candidates);
    const executed = session.finish();
    return { kind: 'built', block: seal(body, ingredients, context, block), executed };
  } catch (error) {
    if (!(error instanceof MissingRecords)) throw error;
    return { kind: 'missing', keys: notLoaded(state, error.keys) };
  }
}

class Builder {
  readonly #state: LoadedState;
  readonly #session: Session;
  readonly #block: BlockContext;
  readonly #context: ChainContext;
  readonly #missing: StateKey[] = [];
  #bytesLeft: number = BLOCK_LENGTH_MAX - FRAME_LENGTH;

  constructor(state: LoadedState, session: Session, block: BlockContext, context: ChainContext) {
    this.#state = state;
    this.#session = session;
    this.#block = block;
    this.#context = context;
  }

  build(ingredients: Ingredients, candidates: readonly SignedTransaction[]): BlockBody {
    const { evidence, lastCommit } = ingredients;
    for (const one of evidence) this.#use(encodeEvidence(one).length);
    if (lastCommit !== null) this.#use(encodeMessage(lastCommit).length);
    this.#rules('opening', ingredients);
    const received = this.#receive(ingredients);
    const transactions = this.#transactions(candidates);
    if (this.#missing.length > 0) throw new MissingRecords(this.#missing);
    this.#rules('closing', ingredients);
    if (this.#context.isBorder) this.#rules('border', ingredients);
    return { lastCommit, evidence, ...received, transactions };
  }

  #use(lengthBytes: number): void {
    this.#bytesLeft -= lengthBytes + ENTRY_LENGTH;
  }

  #rules(stage: 'opening' | 'closing' | 'border', inputs: BlockInputs): void {
    const problem = this.#session.applyRules(stage, inputs);
    if (problem !== undefined) throw new StoreError('INVALID_ARGUMENT', `block under way: ${problem}`);
  }

  #receive(ingredients: Ingredients): Pick<BlockBody, 'reclaims' | 'parcels'> {
    const { rules } = this.#context;
    const { proveKey, receiptsMax = RECEIPTS_PER_BLOCK_MAX } = ingredients;
    const { state } = this.#session;
    const chosen = dispatch(state, this.#block, rules.deliveries, proveKey, receiptsMax);
    const { reclaims, parcels } = chosen;
    const receipts = parcels.flatMap((parcel) => parcel.receipts.map(({ receipt }) => receipt));
    const keys = receipts.flatMap((receipt) => touchesOfMessage(receipt, this.#block, rules));
    const missing = notLoaded(this.#state, keys);
    if (missing.length > 0) throw new MissingRecords(missing);
    for (const reclaim of reclaims) {
      const problem = this.#session.reclaim(reclaim);
      if (problem !== undefined) throw new StoreError('INVALID_ARGUMENT', `block under way: ${problem}`);
      this.#use(encodeReclaim(reclaim).length);
    }
    for (const parcel of parcels) {
      const problem = this.#session.parcel(parcel);
      assert(problem === undefined, 'parcels that are made can be executed');
      this.#use(encodeParcel(parcel).length);
    }
    return { reclaims, parcels };
  }

  #transactions(candidates: readonly SignedTransaction[]): readonly SignedTransaction[] {
    const chosen: SignedTransaction[] = [];
    const held = new Set<string>();
    for (const signed of candidates) {
      if (chosen.length >= TRANSACTIONS_PER_BLOCK_MAX) break;
      const sender = toHex(signed.transaction.sender);
      if (held.has(sender)) continue;
      const tried = this.#tryTransaction(signed);
      if (tried === 'missing') this.#skip(signed);
      if (tried === 'chosen') chosen.push(signed);
      if (tried !== 'held') this.#use(signed.lengthBytes);
      else if (!this.#isPast(signed)) held.add(sender);
    }
    return chosen;
  }

  #tryTransaction(signed: SignedTransaction): 'chosen' | 'held' | 'missing' {
    if (signed.lengthBytes + ENTRY_LENGTH > this.#bytesLeft) return 'held';
    try {
      const problem = this.#session.transaction(signed, (refusal) => refusal !== 'destination-full');
      return problem === undefined ? 'chosen' : 'held';
    } catch (error) {
      if (!(error instanceof MissingRecords)) throw error;
      this.#missing.push(...error.keys);
      return 'missing';
    }
  }

  /** So that this attempt finds what the sender's next ones miss, too. */
  #skip(signed: SignedTransaction): void {
    try {
      this.#session.skip(signed);
    } catch (error) {
      if (!(error instanceof MissingRecords)) throw error;
      this.#missing.push(...error.keys);
    }
  }

  /** Included before, which does not hold back what comes behind it. */
  #isPast({ transaction }: SignedTransaction): boolean {
    return transaction.nonce < this.#session.nonceOf(transaction.sender);
  }
}

function seal(body: BlockBody, ingredients: Ingredients, context: ChainContext, block: BlockContext): Block {
  const { parent, rules, sha256, validators, nextValidators } = context;
  const about = {
    network: block.network,
    height: block.height,
    epoch: block.epoch,
    timeMs: block.timeMs,
    parent: parent.id,
    validators: validatorSetDigest(validators, sha256),
    nextValidators,
    shardBits: parent.shards[0]!.shardBits,
    stateRoot: stateRootOf(parent.shards, sha256),
    shardsRoot: shardsRootOf(parent.shards, sha256),
    proposer: ingredients.proposer,
    reveal: ingredients.reveal,
  };
  const sealed = sealBlock(about, body, rules, sha256);
  assert(sealed.bytes.length <= BLOCK_LENGTH_MAX, 'a block that is made is not too long');
  return sealed;
}

// ---- Order ---------------------------------------------------------------------------------------------------

interface Ranked {
  readonly signed: SignedTransaction;
  /** Least fee for each byte among the sender's transactions up to this one. */
  readonly price: Price;
}

interface Price {
  readonly fee: bigint;
  readonly lengthBytes: bigint;
}

/** Best price first; a sender's by nonce. */
function inOrder(candidates: readonly SignedTransaction[]): readonly SignedTransaction[] {
  const bySender = new Map<string, SignedTransaction[]>();
  for (const signed of candidates) {
    const sender = toHex(signed.transaction.sender);
    const others = bySender.get(sender);
    if (others === undefined) bySender.set(sender, [signed]);
    else others.push(signed);
  }
  const ranked = [...bySender.values()].flatMap(rank);
  return ranked.sort(byPrice).map(({ signed }) => signed);
}

function rank(ofSender: readonly SignedTransaction[]): Ranked[] {
  const sorted = ofSender.toSorted(
    (a, b) => a.transaction.nonce - b.transaction.nonce || compare(a.id, b.id),
  );
  let least: Price | undefined;
  return sorted.map((signed) => {
    const own: Price = { fee: signed.transaction.fee, lengthBytes: BigInt(signed.lengthBytes) };
    least = least === undefined || comparePrices(own, least) < 0 ? own : least;
    return { signed, price: least };
  });
}

function byPrice(a: Ranked, b: Ranked): number {
  return (
    comparePrices(b.price, a.price) ||
    compare(a.signed.transaction.sender, b.signed.transaction.sender) ||
    a.signed.transaction.nonce - b.signed.transaction.nonce ||
    compare(a.signed.id, b.signed.id)
  );
}

function comparePrices(a: Price, b: Price): number {
  const difference = a.fee * b.lengthBytes - b.fee * a.lengthBytes;
  return difference < 0n ? -1 : difference > 0n ? 1 : 0;
}
