// How many messages a height costs, counted with the engine itself: theorem 6.1. A message to one other validator counts as one.
//
// Without faults a height is one proposal and two votes of everybody, to all others: (n - 1)(2n + 1). When the first proposer is
// dead, the failed round costs two nil votes and a reason to leave it (L1) of everybody that lives; the next costs, besides its own, the
// polka and its proposal, passed on by everybody that locks (L3): 7 messages of each to each instead of 2. Still O(n^2) messages,
// but reasons and polkas hold a quorum of votes, so the bytes grow as n^3.

import { expect, test } from 'vitest';
import { step } from '../../src/consensus/engine.ts';
import { type EngineState, INITIAL } from '../../src/consensus/engine-state.ts';
import { encodeMessage } from '../../src/consensus/messages.ts';
import {
  DEFAULT_TIMEOUTS,
  type Effect,
  type Input,
  type Message,
  type TimeoutKind,
} from '../../src/consensus/types.ts';
import { A, HEIGHT, heightStart, setOf, signed } from '../helpers/agreement.ts';

const SIZES = [4, 7, 10, 16, 25, 40, 64];

interface Count {
  readonly messages: number;
  readonly bytes: number;
  readonly byKind: Readonly<Record<string, number>>;
}

type Timer = Extract<Effect, { kind: 'schedule-timeout' }>;

/** A height of `n` validators; those below `deadCount` say nothing, and everything sent arrives before any time is up. */
function countHeight(n: number, deadCount = 0): Count {
  const states: EngineState[] = Array.from({ length: n }, () => INITIAL);
  const timers: Timer[][] = Array.from({ length: n }, () => []);
  const inbox: { readonly to: number; readonly message: Message }[] = [];
  const byKind: Record<string, number> = {};
  let [messages, bytes, decidedCount] = [0, 0, 0];
  const isAlive = (index: number): boolean => index >= deadCount;

  const feed = (self: number, input: Input): void => {
    const { state, effects } = step({ timeouts: DEFAULT_TIMEOUTS }, states[self]!, input);
    states[self] = state;
    for (const effect of effects) perform(self, effect);
  };

  const perform = (self: number, effect: Effect): void => {
    switch (effect.kind) {
      case 'sign':
        feed(self, { kind: 'signed', message: signed(effect.message) });
        return;
      case 'broadcast':
        messages += n - 1;
        bytes += (n - 1) * encodeMessage(effect.message).length;
        byKind[effect.message.kind] = (byKind[effect.message.kind] ?? 0) + n - 1;
        for (let to = 0; to < n; to++)
          if (to !== self && isAlive(to)) inbox.push({ to, message: effect.message });
        return;
      case 'request-value':
        feed(self, { kind: 'value', height: HEIGHT, round: effect.round, blockId: A });
        return;
      case 'validate':
        feed(self, { kind: 'verdict', height: HEIGHT, blockId: effect.blockId, isValid: true });
        return;
      case 'schedule-timeout':
        timers[self]!.push(effect);
        return;
      case 'cancel-timeouts':
        timers[self] = [];
        return;
      case 'decide':
        decidedCount += 1;
        return;
      case 'append':
      case 'persist':
      case 'evidence':
      case 'foreign-signature':
      case 'send-decision':
      case 'halt':
        return;
    }
  };

  const deliverAll = (): void => {
    for (let at = 0; at < inbox.length; at++) {
      const { to, message } = inbox[at]!;
      feed(to, { kind: 'message', message });
    }
    inbox.length = 0;
  };

  const expire = (timeout: TimeoutKind): void => {
    for (let self = deadCount; self < n; self++) {
      const due = timers[self]!.find((timer) => timer.timeout === timeout);
      if (due === undefined) continue;
      timers[self] = timers[self]!.filter((timer) => timer !== due);
      const { height, round } = due;
      feed(self, { kind: 'timeout', timeout, height, round });
    }
    deliverAll();
  };

  const validators = setOf(...Array.from({ length: n }, () => 1));
  for (let self = deadCount; self < n; self++) {
    feed(self, { kind: 'start-height', start: heightStart({ validators, self }) });
  }
  deliverAll();
  for (let attempt = 0; decidedCount < n - deadCount && attempt < 10; attempt++) {
    expire('propose');
    if (decidedCount < n - deadCount) expire('precommit');
  }
  expect(decidedCount).toBe(n - deadCount);
  return { messages, bytes, byKind };
}

test.each(SIZES)('%i validators without faults: one proposal and two votes of each, to all others', (n) => {
  const { messages, byKind, bytes } = countHeight(n);
  expect(byKind).toEqual({ proposal: n - 1, prevote: n * (n - 1), precommit: n * (n - 1) });
  expect(messages).toBe((n - 1) * (2 * n + 1));
  const [proposal, prevote, precommit] = [
    encodedLength('proposal'),
    encodedLength('prevote'),
    encodedLength('precommit'),
  ];
  expect(bytes).toBe((n - 1) * (proposal + n * (prevote + precommit)));
});

test.each(SIZES)(
  '%i validators of whom the first proposer is dead: twice the votes, a reason, and what a lock passes on',
  (n) => {
    const { byKind, messages } = countHeight(n, 1);
    const live = n - 1;
    expect(byKind).toEqual({
      prevote: 2 * live * (n - 1),
      precommit: 2 * live * (n - 1),
      'round-certificate': live * (n - 1),
      'polka-certificate': live * (n - 1),
      proposal: (live + 1) * (n - 1),
    });
    expect(messages).toBe((n - 1) * (7 * live + 1));
  },
);

test('the bytes of a round that fails grow as the cube of n, those of one that does not as its square', () => {
  const growth = (deadCount: number): number =>
    Math.log2(countHeight(64, deadCount).bytes / countHeight(32, deadCount).bytes);
  expect(growth(0)).toBeGreaterThan(1.9);
  expect(growth(0)).toBeLessThan(2.1);
  expect(growth(1)).toBeGreaterThan(2.5);
  expect(growth(1)).toBeLessThan(3);
});

function encodedLength(kind: 'proposal' | 'prevote' | 'precommit'): number {
  return encodeMessage(signed({ kind, height: HEIGHT, round: 0, blockId: A, validRound: -1, validator: 0 }))
    .length;
}
