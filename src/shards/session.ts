// The execution of one block, part by part, in the one order there is: opening rules, reclaims, parcels, transactions, closing rules,
// border. Whoever checks a block gives its parts (`apply.ts`), whoever makes one tries parts and keeps those that fit
// (`build.ts`): so what was made is valid.
//
// A part that is no part of a valid block answers with the problem and has changed nothing. Throws MissingRecords, with nothing
// changed by the part either; then nothing that follows means anything.

import { assert } from '../base/assert.ts';
import { equal } from '../base/bytes.ts';
import { type Digest, DIGEST_LENGTH, type OwnerId } from '../base/ids.ts';
import { accountHome, accountKey, accountOf, putAccount } from './account.ts';
import { amountOf, minusAmounts, NATIVE } from './amounts.ts';
import { collectFees, FEES_KEY } from './fees.ts';
import {
  isInOrder,
  type ParentRoots,
  parcelProblem,
  type Reclaim,
  reclaimProblem,
  takeOff,
  waitingReceipts,
} from './inbox.ts';
import { type Lane, laneIndexKey, LANES_KEY, outboxKey } from './lane.ts';
import type { BlockContext, Message, RefusalCode } from './operation.ts';
import { refundOf } from './operations/refund.ts';
import { Outbox } from './outbox.ts';
import type { Parcel, SealedReceipt } from './parcel.ts';
import type { BlockProblem } from './problem.ts';
import type { Receipt } from './receipts.ts';
import { type BlockInputs, leastFee, type LedgerParams, type RuleContext, type Rules } from './rules.ts';
import { type Home, homeOf, shardHome, shardOfHome, type StateKey } from './state-key.ts';
import { type MessageOutcome, returnsOf, runStep, type StepContext } from './step.ts';
import { isSignedBySender, type SignedTransaction } from './transaction.ts';
import { type Change, Overlay, type StateView } from './view.ts';

/** What became of a part of a block. */
export type Outcome =
  | {
      readonly kind: 'transaction';
      readonly id: Digest;
      /** Refused: nonce and fee are taken, and nothing else happened. */
      readonly refusal: RefusalCode | undefined;
      readonly messages: readonly MessageOutcome[];
    }
  | {
      readonly kind: 'receipt' | 'reclaim';
      readonly lane: Lane;
      readonly sequence: number;
      readonly origin: Digest;
      /** Refused: its value is on its way back. Of one that was taken back: `expired`. */
      readonly refusal: RefusalCode | undefined;
      readonly messages: readonly MessageOutcome[];
    };

export interface Executed {
  readonly changes: readonly Change[];
  readonly outcomes: readonly Outcome[];
  /** Receipts for later blocks, in the order of lanes. */
  readonly sent: readonly SealedReceipt[];
  /** By shard. */
  readonly outboxRoots: readonly Digest[];
  /** Of the next block. */
  readonly shardBits: number;
}

const SYSTEM: Home = homeOf('system');
/** In receipts that come from a rule and not from a transaction. */
const NO_ORIGIN: Digest = new Uint8Array(DIGEST_LENGTH) as Digest;

export class Session {
  readonly #block: BlockContext;
  readonly #rules: Rules;
  readonly #params: LedgerParams;
  readonly #parent: ParentRoots;
  readonly #state: Overlay;
  readonly #outbox: Outbox;
  readonly #outcomes: Outcome[] = [];
  #fees = 0n;
  #lastParcel: Parcel | undefined;
  #nextShardBits: number;

  constructor(
    loaded: StateView,
    block: BlockContext,
    rules: Rules,
    params: LedgerParams,
    parent: ParentRoots,
  ) {
    this.#block = block;
    this.#rules = rules;
    this.#params = params;
    this.#parent = parent;
    this.#state = new Overlay(loaded);
    this.#outbox = new Outbox(this.#state, block, rules.deliveries, params.receiptLifetimeBlocks);
    this.#nextShardBits = block.shardBits;
  }

  /** The state as it is now, for reading. */
  get state(): Overlay {
    return this.#state;
  }

  /** The nonce that the next transaction of `sender` carries. */
  nonceOf(sender: OwnerId): number {
    return accountOf(this.#state, sender).nonce;
  }

  // ---- Rules -------------------------------------------------------------------------------------------------

  /** What is wrong by one of the rules, after its name. Rules that came before have been applied. */
  applyRules(stage: 'opening' | 'closing' | 'border', inputs: BlockInputs): string | undefined {
    if (stage === 'closing') {
      collectFees(this.#state, this.#fees);
      this.#fees = 0n;
    }
    for (const rule of this.#rules[stage]) {
      const problem = rule.apply(this.#ruleContext(inputs, stage === 'border'));
      if (problem !== undefined) return `${rule.name}: ${problem}`;
    }
    return undefined;
  }

  #ruleContext(inputs: BlockInputs, isBorder: boolean): RuleContext {
    const context = this.#stepContext(NO_ORIGIN, false, this.#state);
    return {
      block: this.#block,
      state: this.#state,
      inputs,
      transactions: this.#outcomes.filter(({ kind }) => kind === 'transaction').length,
      send: (message) => {
        const outcome = runStep(context, SYSTEM, (_state, send) => {
          send(message);
          return undefined;
        });
        return outcome.refusal === undefined;
      },
      canReshape: this.#outbox.canReshape,
      reshape: (shardBits) => {
        assert(isBorder, 'the number of shards changes at the border of an epoch');
        assert(Math.abs(shardBits - this.#block.shardBits) === 1, 'shards double or halve');
        assert(this.#outbox.canReshape, 'old lanes are drained before there are older ones');
        this.#nextShardBits = shardBits;
      },
    };
  }

  // ---- Receipts ----------------------------------------------------------------------------------------------

  reclaim(reclaim: Reclaim): BlockProblem | undefined {
    const { lane, first, count } = reclaim;
    const { deliveries } = this.#rules;
    const problem = reclaimProblem(this.#state, this.#outbox, reclaim, this.#block, this.#parent, deliveries);
    if (problem !== undefined) return problem;
    const receipts = waitingReceipts(this.#state, lane, first, count, deliveries);
    for (const { message } of receipts) this.#state.read(accountKey(message.refundTo));
    takeOff(this.#state, this.#outbox, lane, count);
    for (const receipt of receipts) this.#takeBack(receipt);
    return undefined;
  }

  #takeBack({ lane, sequence, origin, message }: Receipt): void {
    const context = this.#stepContext(origin, true, this.#state);
    const from = shardHome(lane.shardBits, lane.source);
    const messages = this.#sendBack(context, from, message, 'expired');
    this.#outcomes.push({ kind: 'reclaim', lane, sequence, origin, refusal: 'expired', messages });
  }

  parcel(parcel: Parcel): BlockProblem | undefined {
    const { lane } = parcel.batch;
    if (this.#lastParcel !== undefined && !isInOrder(this.#lastParcel, parcel, this.#outbox)) {
      return 'receipt-order';
    }
    const problem = parcelProblem(this.#state, this.#outbox, parcel, this.#block);
    if (problem !== undefined) return problem;
    takeOff(this.#state, this.#outbox, lane, parcel.receipts.length);
    for (const { receipt } of parcel.receipts) this.#deliver(receipt);
    this.#lastParcel = parcel;
    return undefined;
  }

  #deliver({ lane, sequence, origin, message }: Receipt): void {
    const context = this.#stepContext(origin, true, this.#state);
    const { deliveries } = this.#rules;
    const { refusal, messages } = runStep(context, message.to, (state, send) =>
      deliveries.of(message.kind).execute({ block: this.#block, state, message, send }, message.payload),
    );
    const returned = refusal === undefined ? [] : this.#sendBack(context, message.to, message, refusal);
    this.#outcomes.push({
      kind: 'receipt',
      lane,
      sequence,
      origin,
      refusal,
      messages: [...messages, ...returned],
    });
  }

  /** What undoes the message; its value alone where that is too long for a receipt or leads to too much. */
  #sendBack(
    context: StepContext,
    from: Home,
    message: Message,
    reason: RefusalCode,
  ): readonly MessageOutcome[] {
    const sending = (messages: readonly Message[]) =>
      runStep(context, from, (_state, send) => {
        messages.forEach(send);
        return undefined;
      });
    const undone = sending(returnsOf(message, reason, this.#rules.deliveries));
    if (undone.refusal === undefined) return undone.messages;
    const refunded = sending(refundOf(message, reason));
    assert(refunded.refusal === undefined, 'a refund cannot be refused');
    return refunded.messages;
  }

  // ---- Transactions ------------------------------------------------------------------------------------------

  /** Whoever makes a block may not want what is refused: it is asked before anything is kept. */
  transaction(
    signed: SignedTransaction,
    isWanted: (refusal: RefusalCode) => boolean = () => true,
  ): BlockProblem | 'unwanted' | undefined {
    const problem = this.#transactionProblem(signed);
    if (problem !== undefined) return problem;
    const { sender, action } = signed.transaction;
    const state = new Overlay(this.#state);
    const context = this.#stepContext(signed.id, false, state);
    this.#charge(state, signed);
    const operation = this.#rules.operations.of(action.kind);
    const { refusal, messages } = runStep(context, accountHome(sender), (inner, send) =>
      operation.commit(
        { block: this.#block, state: inner, sender, transactionId: signed.id, send },
        action.parameters,
      ),
    );
    if (refusal !== undefined && !isWanted(refusal)) return 'unwanted';
    this.#state.merge(state);
    this.#fees += signed.transaction.fee;
    this.#outcomes.push({ kind: 'transaction', id: signed.id, refusal, messages });
    return undefined;
  }

  /**
   * The sender's next transactions can be tried although this one misses records. Whoever calls it wants to know what those miss, and
   * throws away what comes of it.
   */
  skip({ transaction: { sender, nonce } }: SignedTransaction): void {
    const account = accountOf(this.#state, sender);
    if (account.nonce === nonce) putAccount(this.#state, sender, { ...account, nonce: nonce + 1 });
  }

  /** Cheapest first; the signature last, for it takes longest. */
  #transactionProblem(signed: SignedTransaction): BlockProblem | undefined {
    const { network, sender, nonce, fee, expiresAtHeight } = signed.transaction;
    if (!equal(network, this.#block.network)) return 'foreign-transaction';
    if (expiresAtHeight < this.#block.height) return 'transaction-expired';
    if (fee < leastFee(this.#params, signed.lengthBytes)) return 'fee-too-low';
    const account = accountOf(this.#state, sender);
    if (account.nonce !== nonce) return 'wrong-nonce';
    if (minusAmounts(account.balances, amountOf(NATIVE, fee)) === undefined) return 'fee-unpayable';
    const isSigned = isSignedBySender(signed, this.#rules.operations, this.#block.verify);
    return isSigned ? undefined : 'bad-signature';
  }

  #charge(state: Overlay, { transaction }: SignedTransaction): void {
    const { sender, fee } = transaction;
    const account = accountOf(state, sender);
    const balances = minusAmounts(account.balances, amountOf(NATIVE, fee));
    assert(balances !== undefined, 'the fee was found payable');
    putAccount(state, sender, { nonce: account.nonce + 1, balances });
  }

  // ---- The end -----------------------------------------------------------------------------------------------

  /** After the rules of closing and border. */
  finish(): Executed {
    assert(this.#fees === 0n, 'closing comes before the end');
    const { sent, outboxRoots } = this.#outbox.settle();
    if (this.#nextShardBits !== this.#block.shardBits) this.#outbox.reshape(this.#nextShardBits);
    const changes = this.#state.changes();
    return { changes, outcomes: this.#outcomes, sent, outboxRoots, shardBits: this.#nextShardBits };
  }

  #stepContext(origin: Digest, isReceipt: boolean, state: Overlay): StepContext {
    const { deliveries } = this.#rules;
    return { block: this.#block, state, outbox: this.#outbox, deliveries, origin, isReceipt };
  }
}

// ---- What is read --------------------------------------------------------------------------------------------

/** Records that every block reads. */
export const SESSION_TOUCHES: readonly StateKey[] = [LANES_KEY, FEES_KEY];

export function touchesOfTransaction(
  { transaction }: SignedTransaction,
  block: BlockContext,
  rules: Rules,
): readonly StateKey[] {
  const { sender, action } = transaction;
  const operation = rules.operations.of(action.kind);
  const source = shardOfHome(accountHome(sender), block.shardBits);
  const recipients = operation.recipients?.(sender, action.parameters) ?? [];
  const lanes = recipients
    .map((home) => shardOfHome(home, block.shardBits))
    .filter((destination) => destination !== source)
    .map((destination): Lane => ({ shardBits: block.shardBits, source, destination }));
  return [
    accountKey(sender),
    ...operation.touches(sender, action.parameters, block),
    ...lanes.flatMap((lane) => [outboxKey(lane), laneIndexKey(lane.shardBits, lane.source)]),
  ];
}

/** What executing the receipt reads, beside what taking it off its lane does. */
export function touchesOfMessage(
  { message }: Receipt,
  block: BlockContext,
  rules: Rules,
): readonly StateKey[] {
  const delivery = rules.deliveries.of(message.kind);
  return delivery.touches(message, message.payload, block);
}
