import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { toHex } from '../../../src/base/bytes.ts';
import type { AdmissionFacts } from '../../../src/node/chain/pool-admission.ts';
import { type PoolLimits, TransactionPool } from '../../../src/node/chain/transaction-pool.ts';
import type { SignedTransaction } from '../../../src/shards/transaction.ts';
import { factsOf, LOOSE, senderOf, transactionOf, type Wanted } from './pool-kit.ts';
import { bytesOf, PoolModel } from './pool-model.ts';

/** What came of it, in a word. */
function add(pool: TransactionPool, signed: SignedTransaction, facts: Partial<AdmissionFacts> = {}): string {
  const admission = pool.add(signed, factsOf(facts));
  return admission.kind === 'refused' ? admission.error.code : admission.kind;
}

function poolOf(limits: Partial<PoolLimits> = {}): TransactionPool {
  return new TransactionPool({ ...LOOSE, ...limits });
}

/** `a0`: of a, with nonce 0. */
function shown(signed: Iterable<SignedTransaction>): string {
  const names = new Map(['a', 'b', 'c', 'd'].map((name) => [toHex(senderOf(name)), name]));
  return [...signed]
    .map(({ transaction }) => `${names.get(toHex(transaction.sender))}${transaction.nonce}`)
    .join(' ');
}

const includedOf = ({ id, transaction: { sender, nonce } }: SignedTransaction) => ({ id, sender, nonce });

describe('a transaction', () => {
  test('waits once, and is found until a block has it', () => {
    const pool = poolOf();
    const first = transactionOf('a', 0);
    expect(pool.isEmpty).toBe(true);
    expect(add(pool, first)).toBe('added');
    expect(add(pool, first)).toBe('known');
    expect([pool.size, pool.bytes, pool.has(first.id)]).toEqual([1, 100, true]);
    expect(pool.get(first.id)).toBe(first);
    expect(pool.committed(1, [includedOf(first)])).toEqual([]);
    expect([pool.size, pool.bytes, pool.has(first.id), pool.isEmpty]).toEqual([0, 0, false, true]);
    expect(add(pool, first, { nonce: 1 })).toBe('CONDITION_FAILED');
  });

  test.each<[string, Wanted & { nonce?: number }, Partial<AdmissionFacts>, string]>([
    ['whose nonce is used', { nonce: 2 }, { nonce: 3 }, 'CONDITION_FAILED'],
    ['whose nonce is the furthest', { nonce: 99 }, {}, 'added'],
    ['whose nonce is further', { nonce: 100 }, {}, 'BUSY'],
    ['that pays the least', { fee: 5 }, { leastFee: 5n }, 'added'],
    ['that pays less than the least', { fee: 4 }, { leastFee: 5n }, 'INVALID_ARGUMENT'],
    ['that may be in the next block only', { expiresAtHeight: 8 }, { height: 7 }, 'added'],
    ['that may not be in the next block', { expiresAtHeight: 7 }, { height: 7 }, 'EXPIRED'],
    ['that expires as late as allowed', { expiresAtHeight: 1007 }, { height: 7 }, 'added'],
    ['that expires later', { expiresAtHeight: 1008 }, { height: 7 }, 'INVALID_ARGUMENT'],
    ['that takes all its sender has', { fee: 9 }, { balance: 9n }, 'added'],
    ['that takes more than its sender has', { fee: 9 }, { balance: 8n }, 'INVALID_ARGUMENT'],
  ])('%s: %#', (_what, wanted, facts, expected) => {
    expect(add(poolOf(), transactionOf('a', wanted.nonce ?? 0, wanted), facts)).toBe(expected);
  });

  test('is refused in words that name it and say what to do', () => {
    const admission = poolOf().add(transactionOf('a', 2), factsOf({ nonce: 3 }));
    if (admission.kind !== 'refused') throw new Error('it has no place');
    expect(admission.error.message).toMatch(/^transaction [0-9a-f]{8}: .* nonce 2/);
    expect(admission.error.next).toContain('nonce 3');
  });

  test('and all others of its sender are payable together', () => {
    const pool = poolOf();
    expect(add(pool, transactionOf('a', 0, { fee: 6 }), { balance: 10n })).toBe('added');
    expect(add(pool, transactionOf('a', 1, { fee: 5 }), { balance: 10n })).toBe('INVALID_ARGUMENT');
    expect(add(pool, transactionOf('a', 0, { fee: 10 }), { balance: 10n })).toBe('replaced');
  });

  test('that lost its nonce or its time leaves, and is named', () => {
    const pool = poolOf();
    const [lost, late, kept] = [
      transactionOf('a', 0),
      transactionOf('b', 0, { expiresAtHeight: 5 }),
      transactionOf('b', 1),
    ];
    for (const each of [lost, late, kept]) add(pool, each);
    const other = transactionOf('a', 0, { mark: 1 });
    expect(pool.committed(4, [includedOf(other)])).toEqual([lost]);
    expect(pool.committed(5, [])).toEqual([late]);
    expect(shown(pool)).toBe('b1');
    expect(pool.committed(6, [], [{ sender: senderOf('b'), nonce: 2 }])).toEqual([kept]);
  });

  test('that expires in a leap of heights leaves too', () => {
    const pool = poolOf();
    for (const [nonce, expiresAtHeight] of [40, 7, 300].entries()) {
      add(pool, transactionOf('a', nonce, { expiresAtHeight }));
    }
    expect(shown(pool.committed(200, []))).toBe('a1 a0');
    expect(shown(pool)).toBe('a2');
  });
});

test('an account that was emptied keeps nothing waiting that no block could take', () => {
  const pool = poolOf();
  const all = [0, 1, 2, 3].map((nonce) => transactionOf('a', nonce, { fee: 10 }));
  for (const each of all) add(pool, each, { balance: 1000n });
  const sender = senderOf('a');
  expect(pool.committed(1, [includedOf(all[0]!)], [{ sender, nonce: 1, balance: 29n }])).toEqual([all[3]]);
  expect(shown(pool)).toBe('a1 a2');
  expect(shown(pool.committed(2, [], [{ sender, nonce: 1, balance: 0n }]))).toBe('a2 a1');
  expect([pool.isEmpty, pool.waitsFor(sender)]).toEqual([true, false]);
});

test('what pays less than is asked for from now on leaves', () => {
  const pool = poolOf();
  for (const [nonce, fee] of [5, 4, 6].entries()) add(pool, transactionOf('a', nonce, { fee }));
  add(pool, transactionOf('b', 0, { fee: 9, lengthBytes: 200 }));
  expect(shown(pool.raiseFees((lengthBytes) => BigInt(lengthBytes) / 20n))).toBe('a1 b0');
  expect(shown(pool)).toBe('a0 a2');
  expect(shown(pool.candidates(1000, 10))).toBe('a0');
});

describe('a second one with the same nonce', () => {
  test.each([
    [100, 110, 100, 'replaced'],
    [100, 109, 100, 'ALREADY_EXISTS'],
    [1, 2, 100, 'replaced'],
    [101, 111, 100, 'ALREADY_EXISTS'],
    [101, 112, 100, 'replaced'],
    [0, 0, 100, 'ALREADY_EXISTS'],
    [0, 1, 100, 'replaced'],
    [100, 199, 200, 'ALREADY_EXISTS'],
    [100, 200, 200, 'replaced'],
    [100, 110, 50, 'replaced'],
  ])(
    'pays a tenth more, and no less for a byte: %i, then %i for %i bytes',
    (fee, more, lengthBytes, expected) => {
      const pool = poolOf();
      const first = transactionOf('a', 0, { fee });
      add(pool, first);
      const second = transactionOf('a', 0, { fee: more, lengthBytes, mark: 1 });
      const admission = pool.add(second, factsOf());
      expect(admission.kind === 'refused' ? admission.error.code : admission.kind).toBe(expected);
      if (admission.kind === 'replaced') expect(admission.replaced).toBe(first);
      expect([...pool]).toEqual([expected === 'replaced' ? second : first]);
    },
  );
});

describe('a full pool', () => {
  test('loses what pays least for a byte, and nothing to who pays as little', () => {
    const pool = poolOf({ transactions: 2 });
    add(pool, transactionOf('a', 0, { fee: 10 }));
    add(pool, transactionOf('b', 0, { fee: 20 }));
    expect(add(pool, transactionOf('c', 0, { fee: 10 }))).toBe('FULL');
    expect(add(pool, transactionOf('c', 0, { fee: 19, lengthBytes: 200 }))).toBe('FULL');
    expect(add(pool, transactionOf('c', 0, { fee: 11 }))).toBe('added');
    expect(shown(pool)).toBe('b0 c0');
  });

  test('values one behind a cheap one of its sender no higher than that', () => {
    const pool = poolOf({ transactions: 3 });
    add(pool, transactionOf('a', 0, { fee: 1 }));
    add(pool, transactionOf('a', 1, { fee: 100 }));
    add(pool, transactionOf('b', 0, { fee: 5 }));
    expect(add(pool, transactionOf('c', 0, { fee: 2 }))).toBe('added');
    expect(shown(pool)).toBe('a0 b0 c0');
  });

  test('values what cannot be included for want of an earlier nonce least of all', () => {
    const pool = poolOf({ transactions: 2 });
    add(pool, transactionOf('a', 1, { fee: 1000 }));
    add(pool, transactionOf('b', 0));
    expect(add(pool, transactionOf('c', 1, { fee: 999 }))).toBe('FULL');
    expect(add(pool, transactionOf('c', 0))).toBe('added');
    expect(shown(pool)).toBe('b0 c0');
  });

  test('takes what is missing before a last one, which goes for it', () => {
    const pool = poolOf({ transactions: 2 });
    add(pool, transactionOf('a', 1));
    add(pool, transactionOf('a', 2));
    expect(add(pool, transactionOf('a', 0))).toBe('added');
    expect(shown(pool)).toBe('a0 a1');
  });

  test('is shared when nobody pays: who has more than the others gives up its last', () => {
    const pool = poolOf({ transactions: 6 });
    for (let nonce = 0; nonce < 6; nonce++) add(pool, transactionOf('a', nonce));
    for (let nonce = 0; nonce < 6; nonce++) add(pool, transactionOf('b', nonce));
    expect(shown(pool)).toBe('a0 a1 a2 b0 b1 b2');
    for (const nonce of [0, 1, 2]) add(pool, transactionOf('c', nonce));
    expect(shown(pool)).toBe('a0 a1 b0 b1 c0 c1');
    expect(add(pool, transactionOf('d', 0))).toBe('added');
    expect(add(pool, transactionOf('d', 1))).toBe('FULL');
    expect(pool.size).toBe(6);
  });

  test('of single transactions keeps those that came first', () => {
    const pool = poolOf({ transactions: 2 });
    add(pool, transactionOf('a', 0));
    add(pool, transactionOf('b', 0, { lengthBytes: 900 }));
    expect(add(pool, transactionOf('c', 0))).toBe('FULL');
  });

  test('gives up as many as a long one needs, or none', () => {
    const pool = poolOf({ bytes: 400 });
    add(pool, transactionOf('a', 0, { fee: 1 }));
    add(pool, transactionOf('b', 0, { fee: 2 }));
    add(pool, transactionOf('c', 0, { fee: 9, lengthBytes: 200 }));
    expect(add(pool, transactionOf('d', 0, { fee: 13, lengthBytes: 300 }))).toBe('FULL');
    expect(shown(pool)).toBe('c0 a0 b0');
    const admission = pool.add(transactionOf('d', 0, { fee: 5, lengthBytes: 200 }), factsOf());
    expect(admission.kind === 'added' && shown(admission.shed)).toBe('a0 b0');
  });
});

test('one account has its bytes and no more, earlier nonces first', () => {
  const pool = poolOf({ accountBytes: 250 });
  add(pool, transactionOf('a', 1));
  add(pool, transactionOf('a', 2));
  expect(add(pool, transactionOf('a', 3))).toBe('BUSY');
  expect(add(pool, transactionOf('a', 0))).toBe('added');
  expect(shown(pool)).toBe('a0 a1');
  expect(add(pool, transactionOf('b', 0))).toBe('added');
});

describe('candidates', () => {
  test('are those that pay most for a byte; of a sender, nonce by nonce', () => {
    const pool = poolOf();
    add(pool, transactionOf('a', 0, { fee: 1 }));
    add(pool, transactionOf('a', 1, { fee: 50 }));
    add(pool, transactionOf('b', 0, { fee: 3 }));
    add(pool, transactionOf('c', 0, { fee: 4, lengthBytes: 200 }));
    expect(shown(pool.candidates(1000, 10))).toBe('b0 c0 a0 a1');
    expect(shown(pool.candidates(1000, 2))).toBe('b0 c0');
  });

  test('at one price come from one sender after the other', () => {
    const pool = poolOf();
    for (const nonce of [0, 1, 2]) add(pool, transactionOf('a', nonce));
    for (const nonce of [0, 1]) add(pool, transactionOf('b', nonce));
    add(pool, transactionOf('c', 0));
    expect(shown(pool.candidates(1000, 10))).toBe('a0 b0 c0 a1 b1 a2');
    expect(shown(pool.candidates(1000, 3))).toBe('a0 b0 c0');
  });

  test('stop at a nonce that is missing, and go on when it came', () => {
    const pool = poolOf();
    for (const nonce of [0, 2]) add(pool, transactionOf('a', nonce));
    expect(shown(pool.candidates(1000, 10))).toBe('a0');
    add(pool, transactionOf('a', 1));
    expect(shown(pool.candidates(1000, 10))).toBe('a0 a1 a2');
  });

  test('that are too long for the rest hold back their sender only', () => {
    const pool = poolOf();
    add(pool, transactionOf('a', 0, { fee: 900, lengthBytes: 300 }));
    add(pool, transactionOf('a', 1, { fee: 900 }));
    add(pool, transactionOf('b', 0));
    expect(shown(pool.candidates(250, 10))).toBe('b0');
  });
});

// ---- Twins -------------------------------------------------------------------------------------------------------

const TIGHT: PoolLimits = {
  transactions: 8,
  bytes: 900,
  accountTransactions: 5,
  accountBytes: 450,
  lifetimeBlocks: 10,
};

const names = fc.constantFrom('a', 'b', 'c', 'd');

const steps = fc.oneof(
  {
    weight: 16,
    arbitrary: fc.record({
      kind: fc.constant('add' as const),
      name: names,
      ahead: fc.constantFrom(-1, 0, 0, 1, 1, 2, 3, 4, 5),
      fee: fc.constantFrom(0, 0, 1, 10, 11, 12, 100),
      lengthBytes: fc.constantFrom(50, 100, 100, 200, 400),
      life: fc.constantFrom(0, 1, 3, 10, 10, 10, 11),
      mark: fc.nat(2),
      leastFee: fc.constantFrom(0n, 0n, 0n, 1n),
      balance: fc.constantFrom(undefined, undefined, 60n),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('block' as const),
      count: fc.nat(5),
      bytes: fc.constantFrom(150, 400, 10_000),
      heights: fc.integer({ min: 1, max: 3 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant('elsewhere' as const),
      name: names,
      /** How the pool hears of it. */
      news: fc.constantFrom('included', 'account', 'later'),
      balance: fc.constantFrom(undefined, 0n, 11n, 30n),
    }),
  },
);

test('does what a list does that is searched from end to end, and every invariant holds after each step', () => {
  let sheds = 0;
  let unpayable = 0;
  fc.assert(
    fc.property(fc.array(steps, { minLength: 20, maxLength: 80 }), (all) => {
      const pool = new TransactionPool(TIGHT);
      const model = new PoolModel(TIGHT);
      const next = new Map<string, number>();
      let height = 0;
      for (const step of all) {
        const before = new Set([...pool].map(({ id }) => toHex(id)));
        const explained = new Set<string>();
        const explain = (signed: readonly SignedTransaction[]) =>
          signed.forEach(({ id }) => explained.add(toHex(id)));
        switch (step.kind) {
          case 'add': {
            const nonce = next.get(step.name) ?? 0;
            const wanted = { ...step, expiresAtHeight: height + step.life };
            const signed = transactionOf(step.name, Math.max(0, nonce + step.ahead), wanted);
            const { leastFee, balance } = step;
            const facts = { nonce, height, leastFee, ...(balance === undefined ? {} : { balance }) };
            explain([...pool].filter(({ transaction }) => isPast(transaction, step.name, nonce)));
            const admission = pool.add(signed, facts);
            const answer = admission.kind === 'refused' ? admission.error.code : admission.kind;
            expect(answer).toBe(model.add(signed, facts));
            if ('shed' in admission) {
              explain(admission.shed);
              sheds += admission.shed.length;
            }
            if (admission.kind === 'replaced') explain([admission.replaced]);
            break;
          }
          case 'block': {
            const chosen = pool.candidates(step.bytes, step.count);
            const used = chosen.map(includedOf);
            for (const { transaction } of chosen) {
              const name = ['a', 'b', 'c', 'd'].find(
                (each) => toHex(senderOf(each)) === toHex(transaction.sender),
              )!;
              expect(transaction.nonce, 'the block is valid').toBe(next.get(name) ?? 0);
              next.set(name, transaction.nonce + 1);
            }
            height += step.heights;
            explain(chosen);
            explain(pool.committed(height, used));
            model.committed(height, used, []);
            break;
          }
          case 'elsewhere': {
            const nonce = next.get(step.name) ?? 0;
            next.set(step.name, nonce + 1);
            if (step.news === 'later') break;
            height++;
            const other = includedOf(transactionOf(step.name, nonce, { mark: 99 }));
            const used = step.news === 'included' ? [other] : [];
            const now = { sender: other.sender, nonce: nonce + 1 };
            const whole = step.balance === undefined ? now : { ...now, balance: step.balance };
            const accounts = step.news === 'account' ? [whole] : [];
            const gone = pool.committed(height, used, accounts);
            unpayable += gone.filter(
              ({ transaction }) => transaction.fee > 0n && transaction.nonce > nonce,
            ).length;
            explain(gone);
            model.committed(height, used, accounts);
          }
        }
        const now = [...pool];
        const ids = new Set(now.map(({ id }) => toHex(id)));
        expect(
          [...before].filter((id) => !ids.has(id) && !explained.has(id)),
          'nothing is lost',
        ).toEqual([]);
        expect(new Set(model.entries.map(({ signed }) => toHex(signed.id)))).toEqual(ids);
        expect([pool.size, pool.bytes]).toEqual([model.entries.length, bytesOf(model.entries)]);
        expect(pool.size).toBeLessThanOrEqual(TIGHT.transactions);
        expect(pool.bytes).toBeLessThanOrEqual(TIGHT.bytes);
        // After news that only the sender's next transaction brings, what the pool offers may be past.
        for (const [bytes, count] of [[10_000, 20] as const, [400, 20] as const, [10_000, 3] as const]) {
          expect(shown(pool.candidates(bytes, count))).toBe(shown(model.candidates(bytes, count)));
        }
        if (step.kind === 'elsewhere' && step.news === 'later') {
          const signed = [...pool].filter(({ transaction }) =>
            isPast(transaction, step.name, next.get(step.name)!),
          );
          const nonces = [{ sender: senderOf(step.name), nonce: next.get(step.name)! }];
          if (signed.length > 0) {
            expect(pool.committed(height, [], nonces)).toEqual(signed);
            model.committed(height, [], nonces);
          }
        }
      }
    }),
    { numRuns: 100 },
  );
  expect(sheds, 'the property sees evictions').toBeGreaterThan(50);
  expect(unpayable, 'and accounts that are emptied').toBeGreaterThan(2);
});

function isPast({ sender, nonce }: SignedTransaction['transaction'], name: string, next: number): boolean {
  return toHex(sender) === toHex(senderOf(name)) && nonce < next;
}

test('never gives up a dearer one for a cheaper one, and only the last of a sender', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ name: names, fee: fc.nat(20), lengthBytes: fc.constantFrom(50, 100, 300) }), {
        minLength: 10,
        maxLength: 40,
      }),
      (all) => {
        const pool = poolOf({ transactions: 6, bytes: 900 });
        const count = new Map<string, number>();
        for (const { name, fee, lengthBytes } of all) {
          const nonce = count.get(name) ?? 0;
          const signed = transactionOf(name, nonce, { fee, lengthBytes });
          const waiting = [...pool];
          const admission = pool.add(signed, factsOf());
          if (admission.kind !== 'added') continue;
          count.set(name, nonce + 1);
          for (const gone of admission.shed) {
            const sender = toHex(gone.transaction.sender);
            const loser = waiting.filter(({ transaction }) => toHex(transaction.sender) === sender);
            const worth = Math.min(
              ...loser
                .filter(({ transaction }) => transaction.nonce <= gone.transaction.nonce)
                .map((each) => Number(each.transaction.fee) / each.lengthBytes),
            );
            expect(worth).toBeLessThanOrEqual(fee / lengthBytes);
          }
          // What is left of each sender has no hole, so that what is sent next continues it.
          for (const each of ['a', 'b', 'c', 'd']) {
            const left = [...pool].filter(({ transaction }) => isPast(transaction, each, 1000));
            expect(left.map(({ transaction }) => transaction.nonce)).toEqual(left.map((_, index) => index));
            count.set(each, left.length);
          }
        }
      },
    ),
    { numRuns: 300 },
  );
});
