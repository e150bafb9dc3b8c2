// Applying a block: a pure function of the state after its parent and the block. It says which records are not loaded, or why the block
// is invalid, or what it changes.
//
// A block is invalid for what its proposer must not do; a transaction that asks for what cannot be done is refused, and the block is
// valid. All that a block reads is asked for at once where it can be told beforehand; what an attempt finds missing nevertheless is
// collected over the whole block. As soon as something is missing, nothing else that was found counts.

import { assert } from '../base/assert.ts';
import { equal, toHex } from '../base/bytes.ts';
import type { Sha256 } from '../base/hash.ts';
import type { Digest, Epoch, NetworkId } from '../base/ids.ts';
import { BLOCK_LENGTH_MAX, BLOCK_RECEIPTS_LENGTH_MAX, RECEIPTS_PER_BLOCK_MAX } from '../base/limits.ts';
import type { Verify } from '../base/ports.ts';
import { checkCertificate } from '../consensus/certificate.ts';
import type { ValidatorSet } from '../consensus/types.ts';
import { indexOf, validatorSetDigest } from '../consensus/validator-set.ts';
import { type Block, type BlockBody, rootsOfBody } from './block.ts';
import { type Header, type ShardHeader, shardsRootOf, stateRootOf } from './header.ts';
import { type ParentRoots, touchesOfParcel, touchesOfReclaim } from './inbox.ts';
import type { BlockContext } from './operation.ts';
import type { BlockProblem } from './problem.ts';
import type { BlockInputs, LedgerParams, Rules } from './rules.ts';
import {
  type Executed,
  Session,
  SESSION_TOUCHES,
  touchesOfMessage,
  touchesOfTransaction,
} from './session.ts';
import type { StateKey } from './state-key.ts';
import type { SignedTransaction } from './transaction.ts';
import { type LoadedState, MissingRecords } from './view.ts';

/** What a block builds on. */
export interface Parent {
  readonly id: Digest;
  /** 0: genesis, which has no validators and no certificate. */
  readonly height: number;
  readonly timeMs: number;
  /** Headers of all shards after it. */
  readonly shards: readonly ShardHeader[];
  /** Those who decided it. */
  readonly validators: ValidatorSet | undefined;
}

/** What the state after the parent says of the height to come, read from its records by the shell. */
export interface ChainContext {
  readonly network: NetworkId;
  readonly parent: Parent;
  readonly epoch: Epoch;
  readonly validators: ValidatorSet;
  /** Digest of the set of the height after this. */
  readonly nextValidators: Digest;
  /** There are 2^shardBits shards in this block; its parent may have had twice or half as many. */
  readonly shardBits: number;
  /** It is the last block of its epoch. */
  readonly isBorder: boolean;
  readonly params: LedgerParams;
  readonly rules: Rules;
  readonly sha256: Sha256;
  readonly verify: Verify;
}

export type Missing = { readonly kind: 'missing'; readonly keys: readonly StateKey[] };
export type Invalid = {
  readonly kind: 'invalid';
  readonly problem: BlockProblem;
  /** For people: never part of what is agreed on. */
  readonly detail: string;
};
export type Applied = { readonly kind: 'applied' } & Executed;

export function applyBlock(
  state: LoadedState,
  block: Block,
  context: ChainContext,
): Missing | Invalid | Applied {
  const problem =
    bodyProblem(block, context) ?? headerProblem(block, context) ?? commitProblem(block.body, context);
  if (problem !== undefined) return invalid(problem, `block ${toHex(block.id.subarray(0, 4))}`);
  const blockContext = contextOf(context, block.header);
  const inputs = inputsOf(block);
  const missing = notLoaded(state, touchesOf(block, inputs, blockContext, context));
  if (missing.length > 0) return { kind: 'missing', keys: missing };
  return new Attempt(state, blockContext, inputs, context).run(block.body);
}

function invalid(problem: BlockProblem, detail: string): Invalid {
  return { kind: 'invalid', problem, detail };
}

export function contextOf(context: ChainContext, header: Pick<Header, 'height' | 'timeMs'>): BlockContext {
  const { network, epoch, shardBits, sha256, verify } = context;
  return { network, height: header.height, epoch, timeMs: header.timeMs, shardBits, sha256, verify };
}

export function parentRoots({ shards }: Parent): ParentRoots {
  return { shardBits: shards[0]!.shardBits, stateRoots: shards.map(({ stateRoot }) => stateRoot) };
}

function inputsOf({ header, body }: Block): BlockInputs {
  const { proposer, reveal } = header;
  return { proposer, reveal, evidence: body.evidence, lastCommit: body.lastCommit };
}

// ---- Without the state ---------------------------------------------------------------------------------------

function bodyProblem({ header, body, bytes }: Block, { sha256 }: ChainContext): BlockProblem | undefined {
  if (bytes.length > BLOCK_LENGTH_MAX) return 'too-long';
  const receipts = body.parcels.flatMap((parcel) => parcel.receipts);
  const reclaimed = body.reclaims.reduce((sum, { count }) => sum + count, 0);
  if (receipts.length + reclaimed > RECEIPTS_PER_BLOCK_MAX) return 'too-many';
  const receiptsLength = receipts.reduce((sum, receipt) => sum + receipt.bytes.length, 0);
  if (receiptsLength > BLOCK_RECEIPTS_LENGTH_MAX) return 'too-many';
  const roots = rootsOfBody(body, sha256);
  const areRight = (Object.keys(roots) as (keyof typeof roots)[]).every((name) =>
    equal(roots[name], header[name]),
  );
  return areRight ? undefined : 'wrong-body';
}

function headerProblem({ header }: Block, context: ChainContext): BlockProblem | undefined {
  const { parent, sha256 } = context;
  if (!equal(header.network, context.network)) return 'wrong-network';
  if (header.height !== parent.height + 1) return 'wrong-height';
  if (!equal(header.parent, parent.id)) return 'wrong-parent';
  if (header.epoch !== context.epoch) return 'wrong-epoch';
  if (header.timeMs <= parent.timeMs) return 'wrong-time';
  if (!equal(header.validators, validatorSetDigest(context.validators, sha256))) return 'wrong-validators';
  if (!equal(header.nextValidators, context.nextValidators)) return 'wrong-validators';
  if (indexOf(context.validators, header.proposer) === undefined) return 'wrong-proposer';
  if (header.shardBits !== parent.shards[0]!.shardBits) return 'wrong-shards-root';
  if (!equal(header.stateRoot, stateRootOf(parent.shards, sha256))) return 'wrong-state-root';
  return equal(header.shardsRoot, shardsRootOf(parent.shards, sha256)) ? undefined : 'wrong-shards-root';
}

/** The parent is final: a quorum of its validators says so. */
function commitProblem({ lastCommit }: BlockBody, context: ChainContext): BlockProblem | undefined {
  const { parent, network, verify } = context;
  if (parent.validators === undefined) return lastCommit === null ? undefined : 'wrong-commit';
  if (lastCommit === null || lastCommit.height !== parent.height) return 'wrong-commit';
  if (lastCommit.blockId !== toHex(parent.id)) return 'wrong-commit';
  const problem = checkCertificate(network, parent.validators, lastCommit, verify);
  return problem === undefined ? undefined : 'wrong-commit';
}

// ---- What is read --------------------------------------------------------------------------------------------

function touchesOf(
  { body }: Block,
  inputs: BlockInputs,
  block: BlockContext,
  { rules, isBorder }: ChainContext,
): readonly StateKey[] {
  return [
    ...touchesOfRules(inputs, block, rules, isBorder),
    ...body.reclaims.flatMap(touchesOfReclaim),
    ...body.parcels.flatMap((parcel) => [
      ...touchesOfParcel(parcel),
      ...parcel.receipts.flatMap(({ receipt }) => touchesOfMessage(receipt, block, rules)),
    ]),
    ...body.transactions.flatMap((transaction) => touchesOfTransaction(transaction, block, rules)),
  ];
}

export function touchesOfRules(
  inputs: BlockInputs,
  block: BlockContext,
  { opening, closing, border }: Rules,
  isBorder: boolean,
): readonly StateKey[] {
  const rules = [...opening, ...closing, ...(isBorder ? border : [])];
  return [...SESSION_TOUCHES, ...rules.flatMap((rule) => rule.touches(inputs, block))];
}

/** Those that are not loaded, each once, in the order of paths. */
export function notLoaded(state: LoadedState, keys: readonly StateKey[]): readonly StateKey[] {
  const missing = new Map<string, StateKey>();
  for (const key of keys) if (!state.has(key)) missing.set(key.text, key);
  return [...missing.values()].sort((a, b) => (a.text < b.text ? -1 : 1));
}

// ---- With the state ------------------------------------------------------------------------------------------

class Attempt {
  readonly #state: LoadedState;
  readonly #session: Session;
  readonly #inputs: BlockInputs;
  readonly #isBorder: boolean;
  readonly #missing: StateKey[] = [];

  constructor(state: LoadedState, block: BlockContext, inputs: BlockInputs, context: ChainContext) {
    const { rules, params, parent, isBorder } = context;
    this.#state = state;
    this.#session = new Session(state, block, rules, params, parentRoots(parent));
    this.#inputs = inputs;
    this.#isBorder = isBorder;
  }

  run(body: BlockBody): Missing | Invalid | Applied {
    const session = this.#session;
    const stop =
      this.#rules('opening') ??
      this.#each(body.reclaims, (reclaim, index) => [session.reclaim(reclaim), `reclaim ${index}`]) ??
      this.#each(body.parcels, (parcel, index) => [session.parcel(parcel), `parcel ${index}`]) ??
      this.#each(body.transactions, (signed, index) => [this.#transaction(signed), `transaction ${index}`]) ??
      this.#rules('closing') ??
      (this.#isBorder ? this.#rules('border') : undefined);
    if (stop !== undefined) return stop;
    const executed = this.#try(() => session.finish());
    return executed === undefined ? this.#missed() : { kind: 'applied', ...executed };
  }

  #transaction(signed: SignedTransaction): BlockProblem | undefined {
    try {
      const problem = this.#session.transaction(signed);
      assert(problem !== 'unwanted', 'whoever checks a block takes what is refused');
      return problem;
    } catch (error) {
      // Else each attempt would find what one more transaction of the sender misses.
      if (error instanceof MissingRecords) this.#try(() => this.#session.skip(signed));
      throw error;
    }
  }

  /** Goes on behind what is missing, to find what else is; stops at a problem that was found while nothing was. */
  #each<T>(
    parts: readonly T[],
    perform: (part: T, index: number) => readonly [BlockProblem | undefined, string],
  ): Invalid | undefined {
    for (const [index, part] of parts.entries()) {
      const [problem, detail] = this.#try(() => perform(part, index)) ?? [undefined, ''];
      if (problem !== undefined && this.#missing.length === 0) return invalid(problem, detail);
    }
    return undefined;
  }

  #rules(stage: 'opening' | 'closing' | 'border'): Missing | Invalid | undefined {
    const detail = this.#try(() => this.#session.applyRules(stage, this.#inputs));
    // Rules act on all of the state: what they would say or ask for without the records that are missing is of no use.
    if (this.#missing.length > 0 && stage !== 'opening') return this.#missed();
    return detail === undefined || this.#missing.length > 0 ? undefined : invalid('rule-broken', detail);
  }

  #try<T>(perform: () => T): T | undefined {
    try {
      return perform();
    } catch (error) {
      if (!(error instanceof MissingRecords)) throw error;
      this.#missing.push(...error.keys);
      return undefined;
    }
  }

  #missed(): Missing {
    return { kind: 'missing', keys: notLoaded(this.#state, this.#missing) };
  }
}
