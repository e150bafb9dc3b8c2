import { expect, test } from 'vitest';
import { StoreError } from '../../../src/base/errors.ts';
import {
  FRAMES_PER_VALIDATOR_MAX,
  VALIDATOR_RETRY_MAX_MS,
  VALIDATOR_RETRY_MIN_MS,
} from '../../../src/base/limits.ts';
import type { Clock } from '../../../src/base/ports.ts';
import type { Message } from '../../../src/consensus/types.ts';
import { Outbox, type OutboxCounts, type OutgoingFrame } from '../../../src/node/validator/outbox.ts';
import { A, B, precommit, prevote, proposal } from '../../helpers/agreement.ts';
import { HandClock } from './hand-clock.ts';

interface Attempt {
  readonly message: Message;
  readonly done: PromiseWithResolvers<void>;
}

function setUp() {
  const hand = new HandClock();
  const clock: Pick<Clock, 'timer'> = { timer: (delayMs, run) => hand.schedule(delayMs, run) };
  const counts: OutboxCounts = { sent: 0, superseded: 0, lost: 0, refused: 0 };
  const attempts: Attempt[] = [];
  const send = ({ message }: OutgoingFrame): Promise<void> => {
    const done = Promise.withResolvers<void>();
    attempts.push({ message, done });
    return done.promise;
  };
  const outbox = new Outbox(send, clock, counts);
  const push = (message: Message): void =>
    outbox.push({ message, header: new Uint8Array(1), block: undefined });
  return { hand, counts, attempts, outbox, push };
}

/** Lets promises settle. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const unreachable = (): StoreError => new StoreError('UNREACHABLE', 'nobody there');

test('one frame is under way at a time, in the order in which they were said', async () => {
  const { attempts, outbox, push, counts } = setUp();
  const said = [prevote(0, 0, A), precommit(0, 0, A), proposal(0, 1, B)];
  said.forEach(push);
  expect(attempts.length).toBe(1);
  for (const [index, message] of said.entries()) {
    expect(attempts.map((attempt) => attempt.message)).toEqual(said.slice(0, index + 1));
    expect(attempts[index]!.message).toBe(message);
    attempts[index]!.done.resolve();
    await settle();
  }
  expect(outbox.length).toBe(0);
  expect(counts).toEqual({ sent: 3, superseded: 0, lost: 0, refused: 0 });
});

test('what waits is replaced by what the same signer says later in the same way, and by nothing else', async () => {
  const { attempts, outbox, push, counts } = setUp();
  push(prevote(0, 0, A));
  const waiting = [prevote(0, 1, A), precommit(0, 0, A), proposal(0, 0, A), proposal(1, 0, A)];
  waiting.forEach(push);
  expect(outbox.length).toBe(4);
  push(prevote(0, 2, B));
  push(proposal(1, 1, B));
  expect(counts.superseded).toBe(2);
  while (outbox.length > 0) {
    attempts.at(-1)!.done.resolve();
    await settle();
  }
  expect(attempts.slice(1).map(({ message }) => message)).toEqual([
    precommit(0, 0, A),
    proposal(0, 0, A),
    prevote(0, 2, B),
    proposal(1, 1, B),
  ]);
});

test('a frame that found no way goes first when there is one, unless something later replaced it', async () => {
  const { attempts, hand, push, counts } = setUp();
  push(prevote(0, 0, A));
  push(precommit(0, 0, A));
  attempts[0]!.done.reject(unreachable());
  await settle();
  expect(attempts.length).toBe(1);
  hand.advance(VALIDATOR_RETRY_MIN_MS);
  expect(attempts[1]!.message).toEqual(prevote(0, 0, A));
  attempts[1]!.done.reject(new StoreError('TIMEOUT', 'takes nothing'));
  push(prevote(0, 1, A));
  await settle();
  hand.advance(2 * VALIDATOR_RETRY_MIN_MS);
  expect(attempts[2]!.message).toEqual(precommit(0, 0, A));
  expect(counts).toEqual({ sent: 0, superseded: 0, lost: 2, refused: 0 });
});

test('waits grow up to their bound, and begin anew after a success', async () => {
  const { attempts, hand, push } = setUp();
  push(prevote(0, 0, A));
  let waitMs = VALIDATOR_RETRY_MIN_MS;
  for (let attempt = 0; attempt < 8; attempt++) {
    attempts[attempt]!.done.reject(unreachable());
    await settle();
    hand.advance(waitMs - 1);
    expect(attempts.length).toBe(attempt + 1);
    hand.advance(1);
    expect(attempts.length).toBe(attempt + 2);
    waitMs = Math.min(2 * waitMs, VALIDATOR_RETRY_MAX_MS);
  }
  attempts.at(-1)!.done.resolve();
  await settle();
  push(prevote(0, 1, A));
  attempts.at(-1)!.done.reject(unreachable());
  await settle();
  const count = attempts.length;
  hand.advance(VALIDATOR_RETRY_MIN_MS);
  expect(attempts.length).toBe(count + 1);
});

test('what the receiver refuses does not go again', async () => {
  const { attempts, hand, push, counts } = setUp();
  push(prevote(0, 0, A));
  push(precommit(0, 0, A));
  attempts[0]!.done.reject(new StoreError('ALREADY_EXISTS', 'known'));
  await settle();
  expect(attempts[1]!.message).toEqual(precommit(0, 0, A));
  attempts[1]!.done.reject(new TypeError('a defect'));
  await settle();
  hand.advance(VALIDATOR_RETRY_MAX_MS);
  expect(attempts.length).toBe(2);
  expect(counts.refused).toBe(2);
});

test('at most a bounded number waits, and after a stop nothing does', async () => {
  const { attempts, hand, outbox, push } = setUp();
  for (let validator = 0; validator < FRAMES_PER_VALIDATOR_MAX + 10; validator++)
    push(proposal(validator, 0, A));
  expect(outbox.length).toBe(FRAMES_PER_VALIDATOR_MAX);
  attempts[0]!.done.reject(unreachable());
  await settle();
  outbox.stop();
  push(prevote(0, 0, A));
  hand.advance(VALIDATOR_RETRY_MAX_MS);
  await settle();
  expect(outbox.length).toBe(0);
  expect(attempts.length).toBe(1);
  expect(hand.waiting).toBe(0);
});
