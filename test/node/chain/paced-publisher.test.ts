import fc from 'fast-check';
import { expect, test } from 'vitest';
import { PacedPublisher } from '../../../src/node/chain/paced-publisher.ts';
import { HandClock } from '../validator/hand-clock.ts';

const LIMITS = { messagesPerSecond: 10, bytesPerSecond: 1000, waitingMax: 20, waitingBytesMax: 3000 };

function start(limits: Partial<typeof LIMITS> = {}) {
  const hand = new HandClock();
  let nowMs = 0;
  const sent: { readonly atMs: number; readonly message: Uint8Array }[] = [];
  const clock = {
    monotonic: () => nowMs,
    timer: (delayMs: number, run: () => void) => {
      const atMs = nowMs + delayMs;
      return hand.schedule(delayMs, () => {
        nowMs = atMs;
        run();
      });
    },
  };
  const publisher = new PacedPublisher(clock, (message) => sent.push({ atMs: nowMs, message }), {
    ...LIMITS,
    ...limits,
  });
  const pass = (byMs: number): void => {
    const untilMs = nowMs + byMs;
    hand.advance(byMs);
    nowMs = untilMs;
  };
  return { publisher, sent, pass, hand };
}

const numbered = (number: number, length = 1): Uint8Array => new Uint8Array(length).fill(number);

test('a second worth of messages goes at once, the others in their order at the pace that is allowed', () => {
  const { publisher, sent, pass } = start();
  for (let number = 0; number < 25; number++) expect(publisher.offer(numbered(number))).toBe(true);
  expect(sent.length).toBe(11);
  pass(1000);
  expect(sent.length).toBe(21);
  pass(1000);
  expect(sent.map(({ message }) => message[0])).toEqual(Array.from({ length: 25 }, (_, number) => number));
});

test('what does not fit among those that wait is not taken', () => {
  const { publisher, sent, pass } = start();
  const taken = Array.from({ length: 40 }, (_, number) => publisher.offer(numbered(number)));
  expect(taken.filter(Boolean).length).toBe(11 + LIMITS.waitingMax);
  pass(10_000);
  expect(sent.length).toBe(31);
  const long = Array.from({ length: 9 }, (_, number) => publisher.offer(numbered(number, 500)));
  expect(long.filter(Boolean).length, 'three at once, six of 500 bytes wait').toBe(9);
  expect(publisher.offer(numbered(9))).toBe(false);
});

test('in any run of time no more goes out than a burst and the pace allow, and nothing that was taken is lost', () => {
  const offering = fc.record({ length: fc.integer({ min: 1, max: 800 }), pauseMs: fc.nat(400) });
  fc.assert(
    fc.property(fc.array(offering, { maxLength: 60 }), (offers) => {
      const { publisher, sent, pass } = start();
      let taken = 0;
      for (const { length, pauseMs } of offers) {
        if (publisher.offer(numbered(1, length))) taken++;
        pass(pauseMs);
      }
      pass(100_000);
      expect(sent.length).toBe(taken);
      for (const [first, { atMs }] of sent.entries()) {
        let bytes = 0;
        for (const [count, later] of sent.slice(first).entries()) {
          const seconds = (later.atMs - atMs) / 1000;
          // The last one goes when all before it are paid for but a burst.
          expect(count).toBeLessThanOrEqual(LIMITS.messagesPerSecond * (seconds + 1) + 1e-6);
          expect(bytes).toBeLessThanOrEqual(LIMITS.bytesPerSecond * (seconds + 1) + 1e-6);
          bytes += later.message.length;
        }
      }
    }),
  );
});

test('what is to be said instead goes in place of all that waits', () => {
  const { publisher, sent, pass } = start({ messagesPerSecond: 1, waitingMax: 1 });
  for (let number = 0; number < 10; number++) expect(publisher.offerInstead(numbered(number))).toBe(true);
  pass(10_000);
  expect(sent.map(({ message }) => message[0])).toEqual([0, 1, 9]);
});

test('who has stopped says nothing and leaves no timer', () => {
  const { publisher, sent, pass, hand } = start();
  for (let number = 0; number < 15; number++) publisher.offer(numbered(number));
  publisher.stop();
  expect(hand.waiting).toBe(0);
  expect(publisher.offer(numbered(1))).toBe(false);
  pass(10_000);
  expect(sent.length).toBe(11);
});
