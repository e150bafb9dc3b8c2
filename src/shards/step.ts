// One step of a block: a transaction's action, a receipt, or a message of a rule, together with every message that follows from it in
// the same shard. All or nothing: a step that is refused leaves no trace, and its caller decides what becomes of the value.
//
// A message within a step that is refused has its value sent back, as a message too; the step goes on. So what a sender sees does
// not depend on whether its counterpart lies in its shard.

import { assert } from '../base/assert.ts';
import type { Digest } from '../base/ids.ts';
import { MESSAGES_PER_STEP_MAX, RECEIPT_LENGTH_MAX, RECEIPTS_PER_STEP_MAX } from '../base/limits.ts';
import { type Amounts, differenceOf } from './amounts.ts';
import type { BlockContext, Message, RefusalCode } from './operation.ts';
import { refundOf } from './operations/refund.ts';
import type { Outbox, Outgoing } from './outbox.ts';
import type { Deliveries } from './receipts.ts';
import type { Home } from './state-key.ts';
import { Overlay } from './view.ts';

/** What became of one message that was executed in the block. */
export interface MessageOutcome {
  readonly kind: string;
  readonly refusal: RefusalCode | undefined;
}

export interface StepOutcome {
  readonly refusal: RefusalCode | undefined;
  /** In the order of execution; empty when the step was refused. */
  readonly messages: readonly MessageOutcome[];
}

/** What a step works with. */
export interface StepContext {
  readonly block: BlockContext;
  readonly state: Overlay;
  readonly outbox: Outbox;
  readonly deliveries: Deliveries;
  /** Goes into every receipt that comes of it. */
  readonly origin: Digest;
  /** A receipt leads to at most one other, and what it sends back finds room on every lane. */
  readonly isReceipt: boolean;
}

/** Begins the step: at most writes to `state` and sends. */
export type Begin = (state: Overlay, send: (message: Message) => void) => RefusalCode | undefined;

interface Waiting {
  readonly from: Home;
  readonly message: Message;
}

/** Throws MissingRecords, with nothing changed. */
export function runStep(context: StepContext, from: Home, begin: Begin): StepOutcome {
  const step = new Step(context);
  const refusal = step.run(from, begin);
  if (refusal !== undefined) return { refusal, messages: [] };
  step.merge();
  return { refusal: undefined, messages: step.outcomes };
}

class Step {
  readonly #context: StepContext;
  readonly #state: Overlay;
  readonly #waiting: Waiting[] = [];
  readonly #outgoing: Outgoing[] = [];
  readonly outcomes: MessageOutcome[] = [];

  constructor(context: StepContext) {
    this.#context = context;
    this.#state = new Overlay(context.state);
  }

  run(from: Home, begin: Begin): RefusalCode | undefined {
    const refusal = begin(this.#state, (message) => this.#waiting.push({ from, message }));
    if (refusal !== undefined) return refusal;
    // Messages are appended while the loop runs.
    for (const waiting of this.#waiting) {
      const problem = this.#pass(waiting);
      if (problem !== undefined) return problem;
    }
    return undefined;
  }

  merge(): void {
    this.#context.state.merge(this.#state);
    this.#context.outbox.post(this.#outgoing);
  }

  /** Executes the message or puts it on its lane. */
  #pass({ from, message }: Waiting): RefusalCode | undefined {
    const lane = this.#context.outbox.route(from, message.to);
    if (lane === undefined) return this.#execute(message);
    const { outbox, deliveries, origin, isReceipt } = this.#context;
    const lengthBytes = outbox.lengthOf(lane, message, origin);
    const isReturn = deliveries.of(message.kind).isReturn ?? false;
    if (lengthBytes > RECEIPT_LENGTH_MAX) return 'limit-exceeded';
    if (this.#outgoing.length >= (isReceipt ? 1 : RECEIPTS_PER_STEP_MAX)) return 'limit-exceeded';
    const findsRoom = (isReturn && isReceipt) || outbox.hasRoom(lane, lengthBytes, this.#outgoing);
    if (!findsRoom) return 'destination-full';
    this.#outgoing.push({ lane, message, origin, isReturn, lengthBytes });
    return undefined;
  }

  #execute(message: Message): RefusalCode | undefined {
    if (this.outcomes.length >= MESSAGES_PER_STEP_MAX) return 'limit-exceeded';
    const { block, deliveries } = this.#context;
    const state = new Overlay(this.#state);
    const sent: Message[] = [];
    const context = { block, state, message, send: (one: Message) => sent.push(one) };
    const refusal = deliveries.of(message.kind).execute(context, message.payload);
    this.outcomes.push({ kind: message.kind, refusal });
    if (refusal === undefined) this.#state.merge(state);
    const following = refusal === undefined ? sent : returnsOf(message, refusal, deliveries);
    for (const one of following) this.#waiting.push({ from: message.to, message: one });
    return undefined;
  }
}

/** What goes back because `message` was refused or not executed in time: what undoes it, or else its value, if it has one. */
export function returnsOf(message: Message, reason: RefusalCode, deliveries: Deliveries): readonly Message[] {
  const delivery = deliveries.of(message.kind);
  if (delivery.undo === undefined) return refundOf(message, reason);
  const undone = delivery.undo(message, message.payload, reason);
  const isSound = deliveries.of(undone.kind).isReturn === true && isSameAmounts(undone.value, message.value);
  assert(isSound, 'what undoes a message is a return with all of its value');
  return [undone];
}

function isSameAmounts(a: Amounts, b: Amounts): boolean {
  return differenceOf(a, b).length === 0;
}
