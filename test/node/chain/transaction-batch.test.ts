import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { fromHex, toHex } from '../../../src/base/bytes.ts';
import { GOSSIP_MESSAGE_LENGTH_MAX, TRANSACTION_LENGTH_MAX } from '../../../src/base/limits.ts';
import {
  decodeTransactions,
  encodeTransactions,
  TransactionBatcher,
} from '../../../src/node/chain/transaction-batch.ts';
import { expectCode } from '../../helpers/expect-code.ts';

/** Nothing that begins with 0xff is a transaction. */
const transaction = fc
  .uint8Array({ minLength: 1, maxLength: 60 })
  .map((bytes) => Uint8Array.of(0x82, ...bytes));

describe('messages', () => {
  test('say one transaction as it is, and give back all of several', () => {
    const alone = Uint8Array.of(0x82, 1);
    expect(encodeTransactions([alone])).toEqual(alone);
    fc.assert(
      fc.property(fc.array(transaction, { minLength: 1, maxLength: 12 }), (transactions) => {
        expect(decodeTransactions(encodeTransactions(transactions))).toEqual(transactions);
      }),
    );
  });

  test('have one form', () => {
    const two = encodeTransactions([Uint8Array.of(0x82), Uint8Array.of(0x82, 7)]);
    expect(toHex(two)).toBe('ff000000018200000002' + '8207');
  });

  test.each([
    ['nothing in it', 'ff'],
    ['one alone', 'ff0000000182'],
    ['an empty one', 'ff000000018200000000'],
    ['a length cut off', 'ff0000000182000000'],
    ['more said than there is', 'ff000000018200000003' + '8207'],
    ['bytes behind the end', 'ff00000001820000000182' + '00'],
    ['the greatest length', 'ff0000000182ffffffff82'],
  ])('are refused with %s', (_what, hex) => {
    expectCode('INVALID_ENCODING', () => decodeTransactions(fromHex(hex)));
  });
});

describe('a batcher', () => {
  /** Time stands still but for `pass`. */
  function setup() {
    const said: Uint8Array[][] = [];
    const timers: { atMs: number; run: () => void }[] = [];
    let nowMs = 0;
    const clock = {
      monotonic: () => nowMs,
      timer: (delayMs: number, run: () => void) => {
        const timer = { atMs: nowMs + delayMs, run };
        timers.push(timer);
        return () => void timers.splice(timers.indexOf(timer), 1);
      },
    };
    const pass = (ms: number): void => {
      nowMs += ms;
      for (const timer of timers.splice(0)) {
        if (timer.atMs <= nowMs) timer.run();
        else timers.push(timer);
      }
    };
    const batcher = new TransactionBatcher(clock, (message) => said.push([...decodeTransactions(message)]));
    return { batcher, said, pass };
  }
  const named = (name: number, length = 2): Uint8Array => new Uint8Array(length).fill(name);
  const lengths = (said: Uint8Array[][]): number[] => said.map((message) => message.length);

  test('says what comes alone at once, and what follows together', () => {
    const { batcher, said, pass } = setup();
    batcher.add(named(1));
    expect(lengths(said)).toEqual([1]);
    for (const name of [2, 3, 4]) batcher.add(named(name));
    expect(lengths(said)).toEqual([1]);
    pass(10);
    expect(lengths(said)).toEqual([1, 3]);
    pass(100);
    batcher.add(named(5));
    expect(said.flat().map((each) => each[0])).toEqual([1, 2, 3, 4, 5]);
    expect(lengths(said)).toEqual([1, 3, 1]);
  });

  test('waits longer while there are several and not many, and less when they come one by one', () => {
    const { batcher, said, pass } = setup();
    /** One every `everyMs` for a second: how many messages that makes. */
    const messagesOf = (everyMs: number): number => {
      const before = said.length;
      for (let atMs = 0; atMs < 1000; atMs += everyMs) {
        batcher.add(named(1));
        pass(everyMs);
      }
      pass(100);
      return said.length - before;
    };
    // A hundred messages a second, were the wait always as short.
    expect(messagesOf(4)).toBeLessThan(25);
    expect(messagesOf(1)).toBeLessThan(50);
    // Each at once.
    expect(messagesOf(200)).toBe(5);
    const count = said.length;
    batcher.add(named(1));
    expect(said.length).toBe(count + 1);
  });

  test('never says more than a message may hold, and the longest transaction alone', () => {
    const { batcher, said, pass } = setup();
    for (let name = 0; name < 8; name++) batcher.add(named(name, 20_000));
    batcher.add(named(8, TRANSACTION_LENGTH_MAX));
    batcher.add(named(9));
    pass(10);
    expect(said.flat().map((each) => each[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    for (const message of said) {
      expect(encodeTransactions(message).length).toBeLessThanOrEqual(GOSSIP_MESSAGE_LENGTH_MAX);
    }
  });

  test('says nothing any more after its end', () => {
    const { batcher, said, pass } = setup();
    batcher.add(named(1));
    batcher.add(named(2));
    batcher.stop();
    pass(100);
    expect(lengths(said)).toEqual([1]);
  });
});
